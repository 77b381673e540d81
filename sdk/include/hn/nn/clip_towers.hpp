// CLIP's two transformers on LibTorch: text (causal) and vision (patches), shared by rewards and by
// generators' text encoders.
//
// Source: transformers 5.23 models/clip/modeling_clip.py. Differences: query, key and value are one
// matrix product; patches are cut out and multiplied instead of convolved (the same sums, and
// deterministic on every device); in float32 quick_gelu's constants are folded into the weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/nn/clip_config.hpp>
#include <hn/nn/weight_map.hpp>
#include <optional>
#include <string>
#include <vector>

namespace hn {

// The activation of hidden_act. quick_gelu: x sigmoid(1.702 x).
at::Tensor clip_activation(const at::Tensor& x, ClipActivation activation);

// The layers of one tower. Names in the weights:
// PREFIX.layers.N.{layer_norm1,self_attn.{q,k,v,out}_proj,layer_norm2,mlp.{fc1,fc2}}.
class ClipEncoder {
 public:
  ClipEncoder(const ClipEncoderConfig& config, WeightMap& weights, const std::string& prefix);

  // To be called once, after WeightMap::finish(): joins the projections and folds constants.
  void prepare();
  // x [B,L,width]. mask: bool, broadcastable to [B,1,L,L], true = may be seen; undefined = all.
  // deterministic: attention by plain products, whose backward gives the same bits on every device.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, bool deterministic) const;
  // What forward() gives for the first position, [B,width], nothing masked. The last layer is
  // computed for that position alone: of 12 layers one twelfth less work, near enough.
  at::Tensor forward_first(const at::Tensor& x, bool deterministic) const;

 private:
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Linear {
    at::Tensor weight, bias;
  };
  struct Layer {
    Norm norm1, norm2;
    Linear query, key, value, joined, out, fc1, fc2;
  };
  // Texts come in every length, pictures in one: frozen_linear is for the latter.
  using Product = at::Tensor (*)(const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias);
  // Both: for the first `queries` or `kept` positions, which see all of x.
  at::Tensor attend(const Layer& layer, const at::Tensor& x, std::int64_t queries,
                    const at::Tensor& mask, bool deterministic, Product product) const;
  at::Tensor layer(const Layer& layer, const at::Tensor& x, std::int64_t kept,
                   const at::Tensor& mask, bool deterministic, Product product) const;

  ClipEncoderConfig config_;
  std::vector<Layer> layers_;
  bool folded_ = false;  // quick_gelu's factors are in fc1 and fc2
};

// Everything that a text tower can give.
struct ClipTextOutput {
  at::Tensor hidden;  // [B,L,width] after final_layer_norm
  at::Tensor pooled;  // [B,width]: hidden at the pooling position
};

class ClipTextTower {
 public:
  // prefix: "text_model." in CLIPModel files and CLIPTextModel files up to transformers 4, "" in
  // later ones.
  ClipTextTower(const ClipTextConfig& config, WeightMap& weights,
                const std::string& prefix = "text_model.");
  void prepare() { encoder_.prepare(); }

  // ids: int64 [B,L], L up to max_positions. mask: int64 or bool [B,L], 1 = real, undefined = all
  // real; padding stands on the right. Pools at the first eos_token_id of each row (at position 0
  // where there is none), or, with eos_token_id 2, at the first highest id: transformers' rules.
  // Errors: HN_INVALID_ARGUMENT for a length above max_positions or an id outside the vocabulary.
  ClipTextOutput forward(const at::Tensor& ids, const at::Tensor& mask, bool deterministic) const;
  const ClipTextConfig& config() const { return config_; }

 private:
  ClipTextConfig config_;
  at::Tensor tokens_, positions_;
  ClipEncoder encoder_;
  at::Tensor norm_weight_, norm_bias_;
};

class ClipVisionTower {
 public:
  ClipVisionTower(const ClipVisionConfig& config, WeightMap& weights,
                  const std::string& prefix = "vision_model.");
  void prepare() { encoder_.prepare(); }

  // pixels: [B,3,image_size,image_size], normalised. Returns [B,width]: the class token after
  // post_layernorm.
  at::Tensor forward(const at::Tensor& pixels, bool deterministic) const;
  const ClipVisionConfig& config() const { return config_; }

 private:
  ClipVisionConfig config_;
  at::Tensor class_token_, patches_, positions_;
  at::Tensor pre_weight_, pre_bias_;
  ClipEncoder encoder_;
  at::Tensor post_weight_, post_bias_;
};

}  // namespace hn
