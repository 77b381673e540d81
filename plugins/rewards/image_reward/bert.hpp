// The text encoder of BLIP: BERT whose layers also look at the picture (cross-attention).
//
// Source: image-reward 1.5 ImageReward/models/BLIP/med.py (BertModel without pooler,
// mode "multimodal"; dropout is off in evaluation). Differences: query, key and value of the
// self-attention, and key and value of the cross-attention, are one matrix product each; padded
// positions are left out of the softmax instead of being lowered by 10,000, the same to float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <hn/nn/ops.hpp>
#include <hn/nn/weight_map.hpp>
#include <string>
#include <vector>

#include "config.hpp"

namespace hn::image_reward {

class TextEncoder {
 public:
  // `prefix`: "blip.text_encoder"; `encoder_width`: of the picture's tokens.
  // Errors: HN_UNSUPPORTED for an unknown activation.
  TextEncoder(const BertConfig& config, std::int64_t encoder_width, WeightMap& weights,
              const std::string& prefix);

  // To be called once, after WeightMap::finish(): joins the projections.
  void prepare();

  // ids int64 [B,L] on the weights' device, all below vocab_size, L up to max_positions; mask bool
  // [B,L], true = real, undefined = all real; picture [B,N,encoder_width]. Returns [B,L,width].
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask, const at::Tensor& picture,
                     bool deterministic) const;

 private:
  struct Affine {
    at::Tensor weight, bias;
  };
  // BertAttention: the projections, then a residual and a norm.
  struct Attention {
    Affine query, key, value, joined, dense, norm;
  };
  struct Layer {
    Attention self, cross;
    Affine intermediate, output, norm;
  };
  at::Tensor normed(const at::Tensor& x, const Affine& n) const;
  at::Tensor finish(const Attention& a, const at::Tensor& mixed, const at::Tensor& x) const;

  BertConfig config_;
  Activation activation_;
  at::Tensor words_, positions_;
  Affine norm_;
  std::vector<Layer> layers_;
};

}  // namespace hn::image_reward
