// Which prompts a run trains on, and which it chooses the best state with.
#pragma once

#include <vector>

#include "config/run_config.hpp"

namespace hn::host {

// validation.prompts: taken out of the training prompts.
inline constexpr const char* kSplit = "split";

struct TrainingPrompts {
  std::vector<core::Prompt> train, validation;
  // No prompt of `validation` is trained on or among the reported ones.
  bool apart = false;
};

// Of a resolved configuration. "split": validation.count different training prompts, at most a
// fifth of them, spread evenly over the list and none of them an evaluation prompt; they are not
// trained on. Where that leaves fewer than four, as with somebody's own few prompts, every prompt
// is trained on and the first ones are measured with noise of their own. Without a validation, or
// without a training, all are trained on. Errors: those of load_prompts.
TrainingPrompts training_prompts(const RunConfig& config, const Registry& registry);

}  // namespace hn::host
