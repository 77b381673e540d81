// FLUX's two kinds of transformer blocks, on the joint sequence of text and picture tokens.
//
// Source: diffusers 0.42.1, models/transformers/transformer_flux.py (FluxTransformerBlock,
// FluxSingleTransformerBlock) and models/normalization.py (AdaLayerNormZero,
// AdaLayerNormZeroSingle). Difference: the two streams of a double block come and go as one tensor,
// text first.
#pragma once

#include <string>

#include "attention.hpp"

namespace hn::flux {

// What every block of a pass is given beside the tokens.
struct BlockInput {
  at::Tensor conditioning;  // [B or 1, width]: time, guidance and pooled text, before the SiLU
  at::Tensor rotations;     // rotary_positions
  std::int64_t text = 0;    // tokens of the text, which come first
};

// Shift, scale and gate vectors that a linear layer makes of the conditioning.
class Modulation {
 public:
  Modulation() = default;
  // NAME.linear: [vectors width, width].
  Modulation(const Builder& builder, const std::string& name, std::int64_t vectors,
             std::int64_t width);
  // `vectors` tensors [B or 1, 1, width].
  std::vector<at::Tensor> operator()(const at::Tensor& conditioning, const LoraSet& lora) const;

 private:
  Linear linear_;
  std::int64_t vectors_ = 0;
};

// LayerNorm(x) (1 + scale) + shift, without weights of its own, eps 1e-6.
at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale);

class DoubleBlock {
 public:
  DoubleBlock(const Builder& builder, const std::string& name, const TransformerConfig& config);
  // x: [B, L, width], text tokens first. Returns the same shape.
  at::Tensor operator()(const at::Tensor& x, const BlockInput& input, const LoraSet& lora) const;

 private:
  // The weights of one stream. Registered in upstream's order, stream by stream inside a module.
  struct Stream {
    Modulation norm;
    QueryKeyValue heads;
    Linear out, wide, narrow;
  };
  at::Tensor finish(const Stream& stream, const at::Tensor& x, const at::Tensor& attended,
                    const std::vector<at::Tensor>& modulation, const LoraSet& lora) const;

  Stream picture_, text_;
};

class SingleBlock {
 public:
  SingleBlock(const Builder& builder, const std::string& name, const TransformerConfig& config);
  at::Tensor operator()(const at::Tensor& x, const BlockInput& input, const LoraSet& lora) const;

 private:
  Modulation norm_;
  Linear wide_, out_;
  QueryKeyValue heads_;
};

}  // namespace hn::flux
