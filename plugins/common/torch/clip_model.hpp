// A whole CLIP model from a folder: both towers, projections, logit scale, and the way from an
// image in [0,1] to pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>

#include "torch/clip_config.hpp"
#include "torch/clip_towers.hpp"

namespace hn {

// How an image reaches the vision tower (docs/numerics.md, section 3).
enum class PreprocessMode {
  kTensor,  // resize the float tensor (bicubic may overshoot [0,1]), crop as torchvision: what the
            // method was trained with
  kOfficial,  // 8-bit image, Pillow's resize (clamped), crop as transformers: what the published
              // scorers do
};

// `image` [B,3,H,W] float32 in [0,1] -> [B,3,h,w] float32. kOfficial rounds, which has no useful
// derivative: its value is the official one, its gradient that of kTensor (straight-through). A
// CUDA image takes a way over the host there.
at::Tensor clip_pixels(const at::Tensor& image, const ClipPreprocess& preprocess,
                       PreprocessMode mode);

class ClipModel {
 public:
  // Reads config.json, preprocessor_config.json and model.safetensors (or shards). Grad mode must
  // be off. Errors: those of read_clip_config and SafetensorsFolder::open; HN_DATA_LOSS lists every
  // missing, unexpected or mis-shaped tensor.
  ClipModel(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device);

  // Unit vectors, float32 [B,projection_dim].
  at::Tensor image_embedding(const at::Tensor& pixels, bool deterministic) const;
  at::Tensor text_embedding(const at::Tensor& ids, const at::Tensor& mask,
                            bool deterministic) const;

  double logit_scale() const {
    return logit_scale_;
  }  // the logarithm, as stored: multiply a cosine by exp of it
  const ClipConfig& config() const { return config_; }
  const ClipPreprocess& preprocess() const { return preprocess_; }
  at::Device device() const { return device_; }
  std::uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  ClipModel(const std::filesystem::path& folder, const SafetensorsFolder& files,
            at::ScalarType dtype, at::Device device);
  ClipModel(const std::filesystem::path& folder, WeightMap weights, const SafetensorsFolder& files);

  ClipConfig config_;
  ClipPreprocess preprocess_;
  at::Device device_;
  ClipTextTower text_;
  ClipVisionTower vision_;
  at::Tensor text_projection_, visual_projection_;
  double logit_scale_ = 0.0;
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace hn
