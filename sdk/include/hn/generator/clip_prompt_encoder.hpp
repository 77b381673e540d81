// Prompts to the states of a CLIP text model: tokens padded to the tokenizer's length, no mask. For
// the folders of Stable Diffusion (all states) and FLUX (the pooled one).
//
// Source: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py, encode_prompt
// without guidance and clip_skip, and pipelines/flux/pipeline_flux.py, _get_clip_prompt_embeds;
// transformers 5.23.0, models/clip. The padding's states reach the denoiser too, as upstream's do.
#pragma once

#include <filesystem>
#include <hn/generator/text_encoder.hpp>
#include <hn/nn/clip_towers.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

class ClipPromptEncoder final : public TextEncoder<ClipTokenizer, ClipTextConfig, ClipTextTower> {
 public:
  // Reads text_encoder/ and tokenizer/ below `folder`. Errors: TextEncoder's; HN_UNSUPPORTED for
  // another class than CLIPTextModel and for use_attention_mask. Option quantise is not for it.
  ClipPromptEncoder(const std::string& model, const std::filesystem::path& folder,
                    const PipelineOptions& options);

  // Ids of one prompt, all of length().
  std::vector<std::int32_t> tokenize(std::string_view prompt) const;
  // hidden [1, length, width] behind the last layer norm, pooled [1, width]. One prompt at a time:
  // its numbers then never depend on which prompts it was encoded with. On the encoder's device.
  ClipTextOutput encode(std::string_view prompt) const;

  std::int64_t width() const { return config().encoder.width; }
  std::int64_t length() const;
  std::vector<std::string> assumed() const override;
};

}  // namespace hn
