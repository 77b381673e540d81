// SANA-Sprint's diffusion transformer.
//
// Source: diffusers 0.42.1, models/transformers/sana_transformer.py, SanaTransformer2DModel.
// Differences, none of which changes the result beyond rounding: the time step and guidance are one
// number a call instead of one a sample, so that the modulation becomes the affine part of the
// layer norms; 1x1 convolutions and the patch embedding are matrix products on the tokens.
#pragma once

#include <hn/nn/checkpoint.hpp>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "attention.hpp"
#include "config.hpp"
#include "embeddings.hpp"
#include "glumbconv.hpp"

namespace hn::sana {

class Transformer {
 public:
  // Takes its tensors from `weights`; the caller then calls weights.finish(), and prepare() after
  // that.
  Transformer(const TransformerConfig& config, WeightMap& weights);
  // Computes what follows from the weights. Call once.
  void prepare();

  // Text states [U, L, caption_channels] to the caption states that operator() wants.
  at::Tensor caption(const at::Tensor& text, const LoraSet& lora) const {
    return caption_(text, lora);
  }
  // Whether `lora` changes caption().
  bool caption_adapted(const LoraSet& lora) const { return caption_.adapted(lora); }

  // x: [B, in_channels, h, w] in the weights' dtype, h and w multiples of patch_size. Returns [B,
  // in_channels, h, w]. guidance: already times guidance_embeds_scale; ignored where the model has
  // no guidance embedding. run: runs the blocks; without one all of them keep what they need.
  at::Tensor operator()(const at::Tensor& x, const Caption& caption, double timestep,
                        double guidance, const LoraSet& lora, BlockRunner* run = nullptr) const;

  const TransformerConfig& config() const { return config_; }
  const std::vector<LayerInfo>& layers() const { return layers_; }  // in upstream's module order
  int proj_out_layer() const { return proj_out_.index(); }
  // Forgets cached modulations and positions.
  void trim() const;

 private:
  struct Block {
    LinearAttention attn1;
    CrossAttention attn2;
    GluMbConv ff;
    at::Tensor table;                     // [6, width]
    at::Tensor norm2_weight, norm2_bias;  // [width] or undefined
    std::size_t first = 0, last = 0;      // its layers
  };
  // Vectors [6, width] for each block (scales already 1 + scale), and [2, width] for the last norm.
  struct Modulation {
    std::vector<at::Tensor> blocks;
    at::Tensor last;
  };

  Modulation modulation(double timestep, double guidance, const LoraSet& lora) const;
  at::Tensor run_block(const Block& block, const at::Tensor& x, const at::Tensor& modulation,
                       const Caption& caption, std::int64_t height, std::int64_t width,
                       const LoraSet& lora) const;
  at::Tensor positions(std::int64_t height, std::int64_t width) const;

  TransformerConfig config_;
  std::vector<LayerInfo> layers_;
  Conv2d patch_;
  TimeEmbedding time_;
  CaptionProjection caption_;
  std::vector<Block> blocks_;
  at::Tensor last_table_;  // [2, width]
  Linear proj_out_;
  at::Tensor block_tables_;  // [layers, 6, width], at least float32, 1 added to the scales

  // One thread at a time enters an instance.
  mutable std::map<std::pair<double, double>, Modulation> modulations_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, at::Tensor> positions_;
};

}  // namespace hn::sana
