// AutoencoderDC's decoder: latents to images.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_dc.py, Decoder. Difference: in float32
// and wider, shortcuts that repeat channels are folded into the convolutions beside them.
#pragma once

#include <hn/nn/checkpoint.hpp>

#include "dc_ae_blocks.hpp"

namespace hn::sana {

class Decoder {
 public:
  Decoder(const VaeConfig& config, WeightMap& weights);
  void prepare();
  // latents: [B, latent_channels, h, w], divided by the scaling factor already. Returns [B, 3, f h,
  // f w], about [-1, 1], not clamped.
  at::Tensor operator()(const at::Tensor& latents, BlockRunner* run = nullptr) const;

 private:
  at::Tensor head(const at::Tensor& x) const;

  VaeBlocks blocks_;
  Conv2d conv_in_, conv_out_;
  std::unique_ptr<UpBlock> up_out_;  // in conv_out_'s place where the first stage has no layers
  at::Tensor norm_weight_, norm_bias_;
  Activation activation_;
  std::int64_t shortcut_repeats_ = 0;  // 0: no shortcut, or folded
};

}  // namespace hn::sana
