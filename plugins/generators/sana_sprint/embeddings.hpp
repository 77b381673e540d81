// What enters the transformer blocks beside the patches: positions, time step and guidance, and the
// caption.
//
// Source: diffusers 0.42.1, models/embeddings.py (get_timestep_embedding, PatchEmbed,
// get_2d_sincos_pos_embed, PixArtAlphaTextProjection), models/normalization.py
// (AdaLayerNormSingle), models/transformers/sana_transformer.py
// (SanaCombinedTimestepGuidanceEmbeddings).
#pragma once

#include <hn/nn/lora.hpp>
#include <hn/nn/timestep_embedding.hpp>

#include "config.hpp"

namespace hn::sana {

// Time step (and guidance) to the six modulation vectors of all blocks.
class TimeEmbedding {
 public:
  struct Result {
    at::Tensor modulation;  // [1, 6 width]
    at::Tensor embedded;    // [1, width], for the last norm
  };

  TimeEmbedding() = default;
  TimeEmbedding(const Builder& builder, const TransformerConfig& config);
  // guidance is ignored where the model has no guidance embedding.
  Result operator()(double timestep, double guidance, const LoraSet& lora) const;
  // Whether an adapter of `lora` sits on one of these layers; if not, results may be cached.
  bool adapted(const LoraSet& lora) const;

 private:
  bool has_guidance_ = false;
  TimestepEmbedding time_, guidance_;
  Linear linear_;
  int first_layer_ = -1;
};

// Text states to caption states: linear, tanh-GELU, linear, RMS norm.
class CaptionProjection {
 public:
  CaptionProjection() = default;
  CaptionProjection(const Builder& builder, const TransformerConfig& config);
  at::Tensor operator()(const at::Tensor& text,
                        const LoraSet& lora) const;  // [..., caption_channels] -> [..., width]
  bool adapted(const LoraSet& lora) const;

 private:
  Linear first_, second_;
  at::Tensor norm_;
};

// float32 [height * width, dim] positions of a patch grid, half of the numbers for x, half for y;
// computed in float64.
at::Tensor sincos_positions(std::int64_t dim, std::int64_t height, std::int64_t width,
                            std::int64_t base_size, double interpolation_scale);

}  // namespace hn::sana
