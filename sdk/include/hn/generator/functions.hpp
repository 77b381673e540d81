// A LatentModel's four functions as hn.fn/1: noise_net, generate, decode, encode.
//
// Slots: noise_net: noise -> offset. generate: noise, [step_noise] -> image_rgb01, [latents].
// decode: latents -> image_rgb01. encode: image_rgb01 -> latents. Behind the inputs of the first
// two come A and B of each adapted layer, "PATH.lora_A.weight" and "PATH.lora_B.weight". All
// float32.
#pragma once

#include <hn/cpp/config.hpp>
#include <hn/generator/latent_model.hpp>
#include <hn/torch/function.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// What opening a function decides.
struct FunctionOptions {
  std::int64_t width = 0, height = 0;  // pixels
  std::int64_t steps = 1;
  std::shared_ptr<const ModelSettings> settings;
  std::int64_t lora_rank = 0;  // 0: no adapter
  double lora_alpha = 0;
  std::vector<std::string> lora_targets;  // see match_targets
  bool lora_dense_groups = false;         // old PEFT's ungrouped B of grouped convolutions
};

// The options of one open call: width, height, steps, lora.{rank,alpha,targets,dense_groups} and
// the model's own; absent ones keep `defaults`. lora.alpha is 2 rank and lora.targets "all-linear"
// where nothing else is said.
FunctionOptions read_function_options(const LatentModel& model, const Config& config,
                                      const FunctionOptions& defaults);

// name: "noise_net", "generate", "decode" or "encode"; nullptr for another. The model and host must
// outlive the result. noise_net always adapts the model's output layer, beside the targets.
// HN_INVALID_ARGUMENT for options that do not fit the model: a size that is no multiple of its
// unit, noise_net without a rank, targets that match nothing.
std::unique_ptr<Function> make_function(std::string_view name, const LatentModel& model,
                                        const Host& host, const FunctionOptions& options);

}  // namespace hn
