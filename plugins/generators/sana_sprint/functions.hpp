// The plugin's four functions as hn.fn/1: noise_net, generate, decode, encode.
#pragma once

#include <hn/cpp/config.hpp>
#include <hn/torch/function.hpp>
#include <memory>
#include <string>
#include <vector>

#include "model.hpp"

namespace hn::sana {

// What opening a function decides.
struct FunctionOptions {
  std::int64_t width = 0, height = 0;  // pixels, multiples of the VAE's factor times the patch size
  std::int64_t steps = 1;
  double guidance_scale = 4.5;
  ScmOptions schedule;
  std::int64_t lora_rank = 0;  // 0: no adapter
  double lora_alpha = 0;
  std::vector<std::string> lora_targets;
  bool lora_dense_groups = false;  // old PEFT's ungrouped B of grouped convolutions
};

// name: "noise_net", "generate", "decode" or "encode"; nullptr for another. The model and host must
// outlive the result. HN_INVALID_ARGUMENT for options that do not fit the model, e.g. targets that
// leave proj_out out of noise_net.
std::unique_ptr<Function> make_function(std::string_view name, const Model& model, const Host& host,
                                        const FunctionOptions& options);

}  // namespace hn::sana
