// The convolutional blocks of diffusers' U-Nets and of AutoencoderKL: group norm, residual block,
// halving and doubling of the resolution.
//
// Source: diffusers 0.42.1, models/resnet.py (ResnetBlock2D), models/downsampling.py,
// models/upsampling.py. Activations are [B, C, h, w] and kept in channels-last memory.
#pragma once

#include <cstdint>
#include <hn/nn/lora.hpp>
#include <hn/nn/ops.hpp>
#include <string>

namespace hn {

class GroupNorm {
 public:
  GroupNorm() = default;
  GroupNorm(const Builder& builder, const std::string& name, std::int64_t groups,
            std::int64_t channels, double eps);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;  // [channels]
  std::int64_t groups_ = 1;
  double eps_ = 0;
};

struct ResnetOptions {
  std::int64_t groups = 32;
  double eps = 1e-6;
  Activation activation = nullptr;
  std::int64_t time_channels = 0;  // 0: no time embedding
  bool time_scale_shift = false;   // the time embedding scales and shifts, instead of being added
  double output_scale = 1;         // the sum is divided by it
};

class ResnetBlock {
 public:
  ResnetBlock() = default;
  ResnetBlock(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
              const ResnetOptions& options);
  // time: activated time embedding [1 or B, time_channels], undefined without. Returns [B, out, h,
  // w].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& time = {},
                        const LoraSet& lora = {}) const;

 private:
  ResnetOptions options_;
  GroupNorm norm1_, norm2_;
  Conv2d conv1_, conv2_, shortcut_;
  Linear time_;
  bool has_shortcut_ = false;
};

// A 3x3 convolution of stride 2. padding 0: one row and column of zeros is added below and on the
// right, as upstream does.
class Downsample {
 public:
  Downsample() = default;
  Downsample(const Builder& builder, const std::string& name, std::int64_t channels,
             std::int64_t padding);
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora = {}) const;

 private:
  Conv2d conv_;
  bool pad_ = false;
};

// Nearest neighbours to twice the size, or to height x width, then a 3x3 convolution.
class Upsample {
 public:
  Upsample() = default;
  Upsample(const Builder& builder, const std::string& name, std::int64_t channels);
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora = {}) const;
  at::Tensor operator()(const at::Tensor& x, std::int64_t height, std::int64_t width,
                        const LoraSet& lora) const;

 private:
  Conv2d conv_;
};

}  // namespace hn
