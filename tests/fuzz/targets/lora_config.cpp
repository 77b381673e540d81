// What stands beside or in a LoRA file: adapter_config.json, lora_adapter_metadata.
#include "core/lora_config.hpp"

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(lora_config) {
  const auto parts = hn::fuzz::parts_of(
      input, {"adapter_config.json", "adapter_model.safetensors", "other.safetensors"});
  const auto& folder = hn::fuzz::write_parts(parts);
  for (const char* file : {"adapter_model.safetensors", "other.safetensors"}) {
    if (file[0] == 'o' && !parts.contains(file)) continue;
    hn::fuzz::read([&] {
      const hn::core::LoraConfig config = hn::core::read_lora_config(folder / file);
      for (const char* layer :
           {"", "x", "transformer_blocks.0.attn1.to_q", "down_blocks.12.resnets.1.conv1.",
            "single_transformer_blocks.37.proj_mlp..3"}) {
        static_cast<void>(config.alpha(layer, 4));
        static_cast<void>(config.rank(layer));
        static_cast<void>(config.left_out(layer));
      }
    });
  }
}
