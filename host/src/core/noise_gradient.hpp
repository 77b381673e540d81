// The rewards of given noises and their derivative by the noise: what a search at test time climbs.
//
//   x -> image = generate(x) -> score_k(image) -> value = sum_k weight_k score_k
//   d value / d image = sum_k weight_k d score_k / d image -> d value / d x by generate's vjp
//
// Nothing is trained: the adapter's matrices, where a fine-tune has some, are constants.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/adapter.hpp"
#include "core/models.hpp"
#include "core/prompt_cache.hpp"

namespace hn::core {

// adapter: of a fine-tune, or of a noise network (then it is not used), or NULL. memory_budget:
// bytes that generate may keep between forward and backward of one batch; 0: no limit. Errors:
// those of Session::noise_gradient, HN_CANCELLED between batches, those of the plugins.
NoiseGradientResult noise_gradient(GeneratorModel& generator, const Adapter* adapter,
                                   std::vector<std::unique_ptr<RewardModel>>& rewards,
                                   PromptCache& prompts, at::Device device,
                                   std::uint64_t memory_budget,
                                   const NoiseGradientRequest& request);

}  // namespace hn::core
