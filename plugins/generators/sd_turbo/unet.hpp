// Stable Diffusion's denoiser.
//
// Source: diffusers 0.42.1, models/unets/unet_2d_condition.py, UNet2DConditionModel, with the
// blocks of unet_2d_blocks.py that config.hpp names. Difference: one time step a call instead of
// one a sample.
#pragma once

#include <hn/nn/checkpoint.hpp>
#include <hn/nn/resnet_block.hpp>
#include <vector>

#include "config.hpp"
#include "spatial_transformer.hpp"

namespace hn::sd {

class UNet {
 public:
  // Takes its tensors from `weights`; the caller then calls weights.finish().
  UNet(const UNetConfig& config, WeightMap& weights);

  // x: [B, channels, h, w] in the weights' dtype; h and w are any numbers that the downsampling
  // leaves above 0. timestep: on the training scale, 0 to 999. `run` runs the blocks; nullptr keeps
  // what their backward needs. Returns x's shape.
  at::Tensor operator()(const at::Tensor& x, double timestep, const Text& text, const LoraSet& lora,
                        BlockRunner* run = nullptr) const;

  const UNetConfig& config() const { return config_; }
  // In the order of the computation: each residual block's layers, then those of its attention.
  const std::vector<LayerInfo>& layers() const { return layers_; }
  int conv_out_layer() const { return conv_out_layer_; }

 private:
  // A residual block, and the attention behind it where there is one.
  struct Unit {
    ResnetBlock resnet;
    SpatialTransformer attention;
    bool attends = false;
    std::size_t first = 0, last = 0;  // of its layers
  };
  struct Block {
    std::vector<Unit> units;
    Downsample down;
    Upsample up;
    bool resamples = false;
  };

  Unit make_unit(const Builder& build, const std::string& block, std::int64_t index,
                 std::int64_t in, const UNetStage& stage, std::int64_t transformers) const;
  // The activated time embedding [1, time_dim].
  at::Tensor embed(double timestep, const LoraSet& lora) const;
  UNetConfig config_;
  Activation activation_;
  std::vector<LayerInfo> layers_;
  int conv_out_layer_ = -1;
  Conv2d conv_in_, conv_out_;
  Linear time1_, time2_;
  at::ScalarType dtype_ = at::kFloat;
  at::Device device_ = at::kCPU;
  std::vector<Block> down_, up_;
  std::vector<Unit> mid_;
  GroupNorm norm_out_;
};

}  // namespace hn::sd
