// ImageReward as a whole: image encoder, text encoder, the score's MLP.
//
// Source: image-reward 1.5 ImageReward/ImageReward.py (score_gard, MLP); arXiv 2304.05977.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <hn/nn/weight_map.hpp>

#include "bert.hpp"
#include "config.hpp"
#include "vit.hpp"

namespace hn::image_reward {

// Tokens of a prompt that are read, [CLS] and [SEP] among them.
inline constexpr std::int64_t kMaxTokens = 35;

struct Sizes {
  VitConfig vit;
  BertConfig bert;
  std::array<std::int64_t, 4> mlp = {1024, 128, 64, 16};
};

class Model {
 public:
  // `body` gives the encoders' weights, `head` the MLP's (float32 whatever the body's dtype).
  // Errors: HN_DATA_LOSS with every missing, mis-shaped and unexpected tensor. What upstream's
  // checkpoints have and the score does not need (the contrastive projections, a text decoder,
  // queues, position_ids) is passed over.
  Model(const Sizes& sizes, WeightMap body, WeightMap head);

  // pixels [B,3,image_size,image_size], normalised; ids int64 [B,L] on the model's device, L up to
  // kMaxTokens; mask bool [B,L] or undefined. Returns (mlp - mean) / std, float32 [B].
  at::Tensor score(const at::Tensor& pixels, const at::Tensor& ids, const at::Tensor& mask,
                   bool deterministic) const;

  const Sizes& sizes() const { return sizes_; }
  at::Device device() const { return device_; }
  std::uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  struct Linear {
    at::Tensor weight, bias;
  };
  Sizes sizes_;
  at::Device device_;
  VisionTower vision_;
  TextEncoder text_;
  std::array<Linear, 5> mlp_;
  std::uint64_t weight_bytes_ = 0;
};

// `weights`: ImageReward.pt, or a folder that holds it (or model.safetensors with the same names)
// and, beside it, med_config.json and vit_config.json where the sizes are not the published ones.
// Grad mode must be off. Errors: HN_NOT_FOUND, those of the file readers, config.hpp and Model.
Model load_model(const std::filesystem::path& weights, at::ScalarType dtype, at::Device device);

// The folder that `weights` names or lies in.
std::filesystem::path folder_of(const std::filesystem::path& weights);

}  // namespace hn::image_reward
