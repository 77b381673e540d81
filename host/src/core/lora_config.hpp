// What a configuration beside LoRA matrices says of them: peft's adapter_config.json, or the
// metadata "lora_adapter_metadata" that diffusers writes into the file.
//
// Source: peft 0.21.2, tuners/lora/config.py (LoraConfig), tuners/lora/layer.py,
// tuners/tuners_utils.py (check_target_module_exists), utils/other.py (get_pattern_key); diffusers
// 0.42.1, loaders/peft.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hn::core {

class LoraConfig {
 public:
  bool found() const { return state_ != nullptr; }
  // "FILE" or "FILE: lora_adapter_metadata", for messages.
  const std::string& where() const { return where_; }

  // What y += alpha / rank * B(A(x)) needs; with rslora the scale is alpha / sqrt(rank). The rank
  // itself where there is no configuration.
  double alpha(const std::string& layer, std::int64_t rank) const;
  // The rank that r and rank_pattern give the layer; nothing where they do not stand there.
  std::optional<std::int64_t> rank(const std::string& layer) const;
  // Why peft would not give the layer an adapter, whatever the file holds: "target_modules does not
  // name it". Nothing where it would.
  std::optional<std::string> left_out(const std::string& layer) const;
  // Of what could not be checked; "" for nothing.
  const std::string& note() const;

 private:
  friend LoraConfig read_lora_config(const std::filesystem::path& file);
  struct State;
  std::shared_ptr<const State> state_;
  std::string where_;
};

// Of the file: adapter_config.json beside an adapter_model file, else the metadata of a safetensors
// file, where the keys of one component begin with "transformer." or "unet." or with nothing.
//
// Every key is read, or known to leave the result alone, or refused by name; so is a key that is
// not known here, unless its value is null, false or empty. Errors: HN_UNSUPPORTED (all of those at
// once, with the way on), HN_DATA_LOSS (not JSON, wrong types).
LoraConfig read_lora_config(const std::filesystem::path& file);

}  // namespace hn::core
