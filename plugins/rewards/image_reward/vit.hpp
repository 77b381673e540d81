// The image encoder of BLIP: a timm vision transformer, all of its tokens.
//
// Source: image-reward 1.5 ImageReward/models/BLIP/vit.py (VisionTransformer; drop path and dropout
// are off in evaluation). Difference: patches are cut out and multiplied instead of convolved, the
// same sums and deterministic on every device.
#pragma once

#include <ATen/core/Tensor.h>

#include <hn/nn/weight_map.hpp>
#include <string>
#include <vector>

#include "config.hpp"

namespace hn::image_reward {

class VisionTower {
 public:
  // `prefix`: "blip.visual_encoder".
  VisionTower(const VitConfig& config, WeightMap& weights, const std::string& prefix);

  // pixels [B,3,image_size,image_size], normalised. Returns [B, 1 + patches, width] in the weights'
  // dtype, after the last norm; the class token is the first.
  at::Tensor forward(const at::Tensor& pixels, bool deterministic) const;

 private:
  struct Affine {
    at::Tensor weight, bias;
  };
  struct Block {
    Affine norm1, qkv, proj, norm2, fc1, fc2;
  };
  at::Tensor norm(const at::Tensor& x, const Affine& n) const;

  VitConfig config_;
  at::Tensor class_token_, positions_;
  Affine patches_, norm_;
  std::vector<Block> blocks_;
};

}  // namespace hn::image_reward
