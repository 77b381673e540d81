// Prompts to the states of a CLIP text model: tokens padded to the tokenizer's length, no mask. For
// the folders of Stable Diffusion (all states) and FLUX (the pooled one).
//
// Source: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py, encode_prompt
// without guidance and clip_skip, and pipelines/flux/pipeline_flux.py, _get_clip_prompt_embeds;
// transformers 5.23.0, models/clip. The padding's states reach the denoiser too, as upstream's do.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/clip_tokenizer.hpp"
#include "torch/clip_towers.hpp"

namespace hn {

class ClipPromptEncoder {
 public:
  // Reads text_encoder/ and tokenizer/ below `folder`; `model` begins the messages. Errors: those
  // of the readers and of WeightMap::finish; HN_DATA_LOSS where tokenizer and text model do not fit
  // together, HN_UNSUPPORTED for another class than CLIPTextModel and for use_attention_mask.
  ClipPromptEncoder(const std::filesystem::path& folder, const std::string& model,
                    at::ScalarType dtype, at::Device device, const std::string& variant);

  // Ids of one prompt, all of length().
  std::vector<std::int32_t> tokenize(std::string_view prompt) const;
  // hidden [1, length, width] behind the last layer norm, pooled [1, width]. One prompt at a time:
  // its numbers then never depend on which prompts it was encoded with.
  ClipTextOutput encode(std::string_view prompt) const;

  std::int64_t width() const { return tower_->config().encoder.width; }
  std::int64_t length() const { return length_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  ClipTokenizer tokenizer_;
  std::unique_ptr<ClipTextTower> tower_;
  std::int64_t length_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace hn
