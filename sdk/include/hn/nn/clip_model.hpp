// A whole CLIP model: both towers, projections, logit scale, and the way from an image in [0,1] to
// pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/nn/clip_files.hpp>
#include <hn/nn/clip_towers.hpp>
#include <optional>

namespace hn {

// How an image reaches the vision tower (docs/numerics.md, section 3).
enum class PreprocessMode {
  kTensor,  // resize the float tensor (bicubic may overshoot [0,1]), crop as torchvision: what the
            // method was trained with
  kOfficial,  // round to 8 bits first, then what ClipPreprocess says of the published scorer
};

// `image` [B,3,H,W] float32 in [0,1] -> [B,3,h,w] float32. kOfficial rounds, which has no useful
// derivative: its value is the official one, its gradient that of kTensor (straight-through). A
// CUDA image takes a way over the host there.
at::Tensor clip_pixels(const at::Tensor& image, const ClipPreprocess& preprocess,
                       PreprocessMode mode);

enum class ClipParts { kBoth, kImageOnly };

class ClipModel {
 public:
  // kImageOnly leaves the text tower unread. Grad mode must be off. Errors: HN_DATA_LOSS lists
  // every missing, unexpected or mis-shaped tensor in the file's own spelling.
  ClipModel(const ClipFiles& files, at::ScalarType dtype, at::Device device,
            ClipParts parts = ClipParts::kBoth);

  // Unit vectors, float32 [B,projection_dim]. Texts: HN_INTERNAL where the text tower was left out.
  at::Tensor image_embedding(const at::Tensor& pixels, bool deterministic) const;
  at::Tensor text_embedding(const at::Tensor& ids, const at::Tensor& mask,
                            bool deterministic) const;

  // The logarithm, as stored: multiply a cosine by exp of it. 0 with kImageOnly.
  double logit_scale() const { return logit_scale_; }
  const ClipConfig& config() const { return config_; }
  const ClipPreprocess& preprocess() const { return preprocess_; }
  at::Device device() const { return device_; }
  std::uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  ClipModel(const ClipFiles& files, WeightMap weights, ClipParts parts);

  ClipConfig config_;
  ClipPreprocess preprocess_;
  at::Device device_;
  ClipVisionTower vision_;
  at::Tensor visual_projection_;
  std::optional<ClipTextTower> text_;
  at::Tensor text_projection_;
  double logit_scale_ = 0.0;
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace hn
