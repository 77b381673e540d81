// Joint attention of picture and text, with rotary positions and normalised queries and keys.
//
// Source: diffusers 0.42.1, models/transformers/transformer_flux.py (FluxAttention,
// FluxAttnProcessor, FluxPosEmbed) and models/embeddings.py (get_1d_rotary_pos_embed,
// apply_rotary_emb). Difference: the pairs are turned as complex numbers.
#pragma once

#include <hn/nn/lora.hpp>
#include <string>

#include "config.hpp"

namespace hn::flux {

// The rotations of text tokens (all at the origin) followed by a grid of height x width picture
// tokens: complex [text + height width, 1, head_dim / 2] in the accumulation type of `dtype`.
// Angles are computed in float64, as upstream.
at::Tensor rotary_positions(const TransformerConfig& config, std::int64_t text, std::int64_t height,
                            std::int64_t width, at::ScalarType dtype, at::Device device);

// The projections of one of the two streams into heads, and its norms.
class QueryKeyValue {
 public:
  struct Heads {
    at::Tensor q, k, v;  // [B, L, heads, head_dim]; q and k normalised
  };

  QueryKeyValue() = default;
  // Takes PREFIX + q, k, v (linear layers) and PREFIX_NORM + q, k (weights of the norms).
  QueryKeyValue(const Builder& builder, const std::string& q, const std::string& k,
                const std::string& v, const std::string& norm_q, const std::string& norm_k,
                const TransformerConfig& config);
  Heads operator()(const at::Tensor& x, const LoraSet& lora) const;  // x [B, L, width]

 private:
  Linear q_, k_, v_;
  at::Tensor norm_q_, norm_k_;
  std::int64_t heads_ = 0;
};

// Turns queries and keys, attends, joins the heads: [B, L, width].
at::Tensor rotary_attention(const QueryKeyValue::Heads& heads, const at::Tensor& rotations);

}  // namespace hn::flux
