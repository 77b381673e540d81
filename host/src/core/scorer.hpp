// Scores of given pictures, and their gradients.
#pragma once

#include "core/models.hpp"
#include "core/prompt_cache.hpp"

namespace hn::core {

// Names of the reward's outputs beside the score, float32 [B], in the plugin's order.
std::vector<std::string> column_names(RewardModel& reward);

// Errors: HN_INVALID_ARGUMENT names a field of the request, HN_UNSUPPORTED for want_grad on a
// score-only reward, HN_CANCELLED between batches, HN_DATA_LOSS for what is not finite; see
// ScoreRequest::partial and unchecked.
ScoreResult score(RewardModel& reward, PromptCache& prompts, at::Device device,
                  const ScoreRequest& request);

}  // namespace hn::core
