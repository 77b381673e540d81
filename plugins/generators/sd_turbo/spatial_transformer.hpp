// The attention blocks of Stable Diffusion's U-Net: transformer layers over all positions of a
// feature map, which also look at the prompt.
//
// Source: diffusers 0.42.1, models/transformers/transformer_2d.py (continuous input),
// models/attention.py (BasicTransformerBlock with layer_norm and GEGLU). Differences, none of which
// changes the result beyond rounding: 1x1 convolutions are matrix products on the positions; keys
// and values of a prompt that several samples share are computed once.
#pragma once

#include <hn/nn/lora.hpp>
#include <hn/nn/resnet_block.hpp>
#include <vector>

namespace hn::sd {

// The prompts of a batch: text states [U, L, cross_dim] of U different prompts, and for each sample
// its prompt (int64 [B], undefined where U is B or 1).
struct Text {
  at::Tensor states, prompt_of_sample;
};

class Attention {
 public:
  Attention() = default;
  Attention(const Builder& builder, const std::string& name, std::int64_t width,
            std::int64_t context, std::int64_t heads);
  // x: [B, N, width]; text: nullptr for self-attention. Returns x's shape.
  at::Tensor operator()(const at::Tensor& x, const Text* text, const LoraSet& lora) const;

 private:
  Linear q_, k_, v_, out_;
  std::int64_t heads_ = 1;
};

struct TransformerOptions {
  std::int64_t channels = 0, heads = 1, cross_dim = 0, layers = 1, groups = 32;
  bool linear_projection = false, only_cross_attention = false;
};

class SpatialTransformer {
 public:
  SpatialTransformer() = default;
  SpatialTransformer(const Builder& builder, const std::string& name,
                     const TransformerOptions& options);
  // x: [B, channels, h, w]. Returns the same shape.
  at::Tensor operator()(const at::Tensor& x, const Text& text, const LoraSet& lora) const;

 private:
  struct LayerNorm {
    at::Tensor weight, bias;
  };
  struct Layer {
    LayerNorm norm1, norm2, norm3;
    Attention attn1, attn2;
    Linear ff_in, ff_out;
  };

  TransformerOptions options_;
  GroupNorm norm_;
  // Either pair, as linear_projection says.
  Linear linear_in_, linear_out_;
  Conv2d conv_in_, conv_out_;
  std::vector<Layer> layers_;
};

}  // namespace hn::sd
