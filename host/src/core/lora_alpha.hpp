// The alphas of a LoRA file that stand beside its tensors.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hn::core {

// From adapter_config.json (peft 0.21, LoraConfig) beside an adapter_model file, or from the
// metadata "lora_adapter_metadata" that diffusers 0.42 writes into the file, where the keys of one
// component begin with "transformer." or "unet.".
class LoraAlphas {
 public:
  // What y += alpha / rank * B(A(x)) needs; with rslora the scale is alpha / sqrt(rank).
  double of(const std::string& layer, std::int64_t rank) const;

 private:
  friend LoraAlphas read_lora_alphas(const std::filesystem::path& file);
  std::optional<double> alpha_;
  std::vector<std::pair<std::string, double>> patterns_;
  bool rslora_ = false;
};

// Errors: HN_DATA_LOSS (not JSON, wrong types), HN_UNSUPPORTED (another method than LoRA, DoRA,
// modules that were saved whole).
LoraAlphas read_lora_alphas(const std::filesystem::path& file);

}  // namespace hn::core
