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

#include <hn/generator/pipeline_problems.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <hn/nn/clip_towers.hpp>
#include <hn/nn/weight_map.hpp>

namespace hn {

class ClipPromptEncoder {
 public:
  // Reads text_encoder/ and tokenizer/ below `folder`; `model` begins the messages. The weights are
  // compared with their configuration and not read yet. Errors, all of them in one: those of the
  // readers and of WeightMap::finish; HN_UNSUPPORTED for another class than CLIPTextModel and for
  // use_attention_mask; HN_DATA_LOSS where tokenizer and text model do not fit together.
  ClipPromptEncoder(const std::filesystem::path& folder, const std::string& model,
                    at::ScalarType dtype, at::Device device, const std::string& variant,
                    TextEncoderMode mode = TextEncoderMode::kKeep);
  ClipPromptEncoder(const ClipPromptEncoder&) = delete;
  ClipPromptEncoder& operator=(const ClipPromptEncoder&) = delete;

  // Reads the weights, unless the mode is kFree or the device at::kMeta.
  void prepare() const {
    if (mode_ != TextEncoderMode::kFree && !device_.is_meta()) tower_.get();
  }

  // Ids of one prompt, all of length().
  std::vector<std::int32_t> tokenize(std::string_view prompt) const;
  // hidden [1, length, width] behind the last layer norm, pooled [1, width]. One prompt at a time:
  // its numbers then never depend on which prompts it was encoded with. On the encoder's device.
  ClipTextOutput encode(std::string_view prompt) const;

  std::int64_t width() const { return parts_.config.encoder.width; }
  std::int64_t length() const { return length_; }
  std::uint64_t bytes() const { return tower_.loaded() ? bytes_ : 0; }
  // What the states of a prompt depend on: weights, tokenizer, type and device.
  std::string key() const;
  // What no file says and was taken for granted.
  std::vector<std::string> assumed() const;
  // The encoder's memory, where the mode is kFree.
  void release() const {
    if (mode_ == TextEncoderMode::kFree) tower_.free();
  }

 private:
  using Parts = TextParts<ClipTokenizer, ClipTextConfig>;
  Parts read_parts() const;
  WeightMap open_weights(at::Device device) const;
  std::unique_ptr<ClipTextTower> load();

  std::filesystem::path folder_;
  std::string model_;
  at::ScalarType dtype_;
  at::Device device_;  // of the encoder
  std::string variant_;
  TextEncoderMode mode_;
  Parts parts_;
  OnDemand<ClipTextTower> tower_;
  std::int64_t length_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace hn
