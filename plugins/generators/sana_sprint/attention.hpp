// The transformer's two attentions: linear attention over the patches, softmax attention to the
// caption.
//
// Source: diffusers 0.42.1, models/attention_processor.py (SanaLinearAttnProcessor2_0, Attention),
// models/transformers/sana_transformer.py (SanaAttnProcessor2_0).
#pragma once

#include <hn/nn/lora.hpp>

namespace hn::sana {

struct AttentionConfig {
  std::int64_t query_dim, context_dim, heads, head_dim;
  bool bias, qk_norm;
};

// Queries, keys, values and output of one attention, with the optional RMS norm across all heads
// (eps 1e-5).
class AttentionProjections {
 public:
  AttentionProjections() = default;
  AttentionProjections(const Builder& builder, const std::string& name,
                       const AttentionConfig& config);

 protected:
  at::Tensor normed(const at::Tensor& x, const at::Tensor& weight) const;

  Linear q_, k_, v_, out_;
  at::Tensor norm_q_, norm_k_;
  std::int64_t heads_ = 1, head_dim_ = 1;
};

class LinearAttention : public AttentionProjections {
 public:
  using AttentionProjections::AttentionProjections;
  // x: [B, N, width]. Returns the same shape.
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora) const;
};

// The caption of a batch: states [U, L, width] of U different prompts, an additive bias [U, 1, 1,
// L] where padding is hidden (undefined when nothing is padded), and for each sample its prompt
// (int64 [B], undefined when U is B or 1).
struct Caption {
  at::Tensor states, bias, prompt_of_sample;
};

class CrossAttention : public AttentionProjections {
 public:
  using AttentionProjections::AttentionProjections;
  // x: [B, N, width]. Returns the same shape. Keys and values are computed once a prompt.
  at::Tensor operator()(const at::Tensor& x, const Caption& caption, const LoraSet& lora) const;
};

}  // namespace hn::sana
