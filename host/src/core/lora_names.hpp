// What the keys of LoRA files mean: which layers of a generator, and which of the two matrices.
//
// Spellings: peft 0.21 (base_model.model.PATH.lora_A.weight), diffusers 0.42 (transformer.PATH or
// unet.PATH with lora_A, lora.down or processor.to_q_lora.down), kohya's sd-scripts
// (lora_unet_PATH_WITH_UNDERSCORES.lora_down.weight and .alpha; for FLUX the original names with q,
// k and v in one), and FLUX's original names with points
// (diffusion_model.double_blocks.0.img_attn.qkv). Source of the FLUX names: diffusers 0.42,
// loaders/lora_conversion_utils.py.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn::core {

// A layer that can carry an adapter, as hn.adapter/1 tells it.
struct AdapterLayer {
  std::string name;  // "transformer_blocks.0.attn1.to_q"
  bool conv = false;
  std::int64_t in = 0, out = 0, kernel = 1, groups = 1;
};

enum class LoraPart { kA, kB, kAlpha };

struct LoraKey {
  std::string module;  // as the file spells it, without the part and a known prefix
  LoraPart part = LoraPart::kA;
  bool text_encoder = false;  // belongs to a text encoder, which carries no adapter here
  const char* format = "";    // "peft", "diffusers", "kohya", "flux"
};

// Belongs to a text encoder, in any spelling and of any method: diffusers' text_encoder_2., kohya's
// lora_te1_, ComfyUI's text_encoders. and clip_l., the names of CLIP's and T5's own modules.
bool is_text_encoder_key(std::string_view key);

// Nothing for a key that is none of the above.
std::optional<LoraKey> parse_lora_key(std::string_view key);

// Layers that one module of a file stands for: several where it is fused, in the order of B's rows.
struct LoraTarget {
  std::vector<std::string> layers;
  bool swapped = false;  // B's two halves stand the other way round (scale and shift)
};

// Finds layers by the spellings above.
class LoraNames {
 public:
  explicit LoraNames(std::span<const AdapterLayer> layers);

  const AdapterLayer* find(std::string_view layer) const;
  // Nothing where the generator has no such layer, or not all of a fused module's.
  std::optional<LoraTarget> target(const std::string& module) const;
  // The layers' names nearest to a module, for messages.
  std::vector<std::string> nearest(const std::string& module) const;

 private:
  std::map<std::string, AdapterLayer, std::less<>> layers_;
  std::map<std::string, std::string, std::less<>>
      flat_;  // "a_0_b" -> "a.0.b"; "" where two share it
};

}  // namespace hn::core
