// FLUX's diffusion transformer: a velocity for noisy latents, a time and a prompt.
//
// Source: diffusers 0.42.1, models/transformers/transformer_flux.py, FluxTransformer2DModel;
// packing: pipelines/flux/pipeline_flux.py. Differences, none of which changes the result beyond
// rounding: time step and guidance are one number a call instead of one a sample; latents come and
// go unpacked.
#pragma once

#include <hn/nn/checkpoint.hpp>
#include <hn/nn/timestep_embedding.hpp>
#include <vector>

#include "blocks.hpp"

namespace hn::flux {

// The prompts of a batch. U distinct ones, all with the same number of tokens.
struct Text {
  at::Tensor states;            // [U, L, text_dim], T5's
  at::Tensor pooled;            // [U, pooled_dim], CLIP's
  at::Tensor prompt_of_sample;  // int64 [B], undefined where U is 1 or B
};

// [B, C, h, w] as tokens [B, h w / 4, 4 C], and back. h and w are even.
at::Tensor pack(const at::Tensor& latents);
at::Tensor unpack(const at::Tensor& tokens, std::int64_t height, std::int64_t width);

class Transformer {
 public:
  // Takes its tensors from `weights`; the caller then calls weights.finish().
  Transformer(const TransformerConfig& config, WeightMap& weights);

  // latents: [B, in_channels / 4, h, w] in the weights' dtype. time: sigma, 0 to 1. guidance is
  // ignored where the model has no embedding for it. Returns the velocity, the latents' shape.
  at::Tensor operator()(const at::Tensor& latents, const Text& text, double time, double guidance,
                        const LoraSet& lora, BlockRunner& run) const;

  const TransformerConfig& config() const { return config_; }
  const std::vector<LayerInfo>& layers() const { return layers_; }
  int proj_out_layer() const { return proj_out_.index(); }

 private:
  // A block with the range of its layers.
  template <typename Block>
  struct Placed {
    Block block;
    std::size_t first, last;
  };

  at::Tensor conditioning(const Text& text, double time, double guidance,
                          const LoraSet& lora) const;

  TransformerConfig config_;
  at::ScalarType dtype_;
  at::Device device_;
  std::vector<LayerInfo> layers_;
  TimestepEmbedding time_, guidance_, pooled_;
  Linear text_in_, picture_in_, proj_out_;
  Modulation norm_out_;
  std::vector<Placed<DoubleBlock>> double_blocks_;
  std::vector<Placed<SingleBlock>> single_blocks_;
};

}  // namespace hn::flux
