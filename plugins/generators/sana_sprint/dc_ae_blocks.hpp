// The building blocks of the deep-compression autoencoder.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_dc.py (ResBlock, EfficientViTBlock,
// DCDownBlock2d, DCUpBlock2d) and models/attention_processor.py (SanaMultiscaleLinearAttention and
// its processor). Tensors are [B, C, H, W] in channels_last memory, so that norms and projections
// over the channels see contiguous rows.
#pragma once

#include <hn/nn/lora.hpp>
#include <hn/nn/ops.hpp>
#include <memory>
#include <string>
#include <vector>

#include "config.hpp"
#include "glumbconv.hpp"

namespace hn::sana {

// One step of an encoder or decoder: [B, C, H, W] in, another such tensor out.
class VaeBlock {
 public:
  virtual ~VaeBlock() = default;
  virtual at::Tensor operator()(const at::Tensor& x) const = 0;
  // Computes what follows from the weights, after WeightMap::finish.
  virtual void prepare() {}
};
using VaeBlocks = std::vector<std::unique_ptr<VaeBlock>>;

// An RMS norm over the channels (eps 1e-5, with bias), or a batch norm with its running statistics.
class ChannelNorm {
 public:
  ChannelNorm() = default;
  ChannelNorm(const Builder& builder, const std::string& name, std::int64_t channels,
              bool batch_norm);
  // norm(x) + residual.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& residual) const;

 private:
  at::Tensor weight_, bias_, mean_, variance_;
};

class ResBlock final : public VaeBlock {
 public:
  ResBlock(const Builder& builder, const std::string& name, const VaeStage& stage);
  at::Tensor operator()(const at::Tensor& x) const override;

 private:
  Activation activation_;
  Conv2d conv1_, conv2_;
  ChannelNorm norm_;
};

// Linear attention over q, k, v at several scales. Upstream groups the concatenated q|k|v channels
// in runs of 3 x head_dim, so that a head's query, key and value are neighbours in that order; the
// trained weights rely on it.
class MultiscaleAttention {
 public:
  MultiscaleAttention(const Builder& builder, const std::string& name, const VaeStage& stage,
                      std::int64_t head_dim);
  void prepare();
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  struct Scale {
    Conv2d depthwise, grouped;
  };
  Linear q_, k_, v_, out_;
  at::Tensor qkv_;  // [3 inner, channels], the three weights above each other
  std::vector<Scale> scales_;
  ChannelNorm norm_;
  std::int64_t head_dim_;
};

class EfficientVitBlock final : public VaeBlock {
 public:
  EfficientVitBlock(const Builder& builder, const std::string& name, const VaeStage& stage,
                    std::int64_t head_dim);
  void prepare() override { attention_.prepare(); }
  at::Tensor operator()(const at::Tensor& x) const override;

 private:
  MultiscaleAttention attention_;
  GluMbConv feed_forward_;
};

// Halves the resolution.
class DownBlock final : public VaeBlock {
 public:
  DownBlock(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
            bool unshuffle, bool shortcut);
  at::Tensor operator()(const at::Tensor& x) const override;

 private:
  Conv2d conv_;
  std::int64_t group_;
  bool unshuffle_, shortcut_;
};

// Doubles the resolution. Pixel shuffling takes its numbers in the order (channel, y, x); prepare()
// puts the convolution's output channels in the order (y, x, channel), so that in channels_last
// memory the shuffle moves runs of 2 x out numbers.
class UpBlock final : public VaeBlock {
 public:
  UpBlock(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
          bool shuffle, bool shortcut);
  void prepare() override;
  at::Tensor operator()(const at::Tensor& x) const override;

 private:
  Conv2d conv_;
  std::int64_t repeats_;
  bool shuffle_, shortcut_;
};

// Adds "every input channel repeated `repeats` times" to a 3x3 convolution's centre taps: conv(x) +
// x.repeat_interleave(repeats, 1) becomes one convolution. Only where the weight's dtype keeps the
// small taps beside a 1: float32 and wider. Returns whether it did.
bool fold_repeat_shortcut(Conv2d& conv, std::int64_t repeats);

// The blocks of one stage under `name`, numbered from `first` on.
void add_stage(VaeBlocks& blocks, const Builder& builder, const std::string& name,
               const VaeStage& stage, std::int64_t head_dim, std::int64_t first);

}  // namespace hn::sana
