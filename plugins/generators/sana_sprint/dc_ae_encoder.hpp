// AutoencoderDC's encoder: images to latents.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_dc.py, Encoder.
#pragma once

#include <hn/nn/checkpoint.hpp>

#include "dc_ae_blocks.hpp"

namespace hn::sana {

class Encoder {
 public:
  Encoder(const VaeConfig& config, WeightMap& weights);
  void prepare();
  // image: [B, 3, H, W] in [-1, 1], H and W multiples of the compression factor. Returns [B,
  // latent_channels, H/f, W/f], not scaled.
  at::Tensor operator()(const at::Tensor& image, BlockRunner* run = nullptr) const;

 private:
  VaeBlocks blocks_;
  Conv2d conv_in_, conv_out_;  // conv_in_ only where the first stage has layers
  bool plain_conv_in_;
  std::int64_t shortcut_group_ = 0;  // channels averaged into one latent channel; 0: no shortcut
};

}  // namespace hn::sana
