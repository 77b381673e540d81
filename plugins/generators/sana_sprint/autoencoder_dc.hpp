// AutoencoderDC, both ways: SANA's Autoencoder.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_dc.py; its pipelines divide latents by
// scaling_factor before they decode them.
#pragma once

#include <hn/nn/autoencoder.hpp>

#include "dc_ae_decoder.hpp"
#include "dc_ae_encoder.hpp"

namespace hn::sana {

class AutoencoderDC final : public Autoencoder {
 public:
  AutoencoderDC(const VaeConfig& config, WeightMap& weights)
      : config_(config), encoder_(config, weights), decoder_(config, weights) {}
  void prepare() override {
    encoder_.prepare();
    decoder_.prepare();
  }

  std::int64_t factor() const override { return config_.factor(); }
  double latent_scale() const override { return config_.scaling_factor; }
  std::int64_t overlap_share() const override { return 8; }
  at::Tensor decode(const at::Tensor& latents, BlockRunner* run) const override {
    return decoder_(latents, run);
  }
  at::Tensor encode(const at::Tensor& picture, BlockRunner* run) const override {
    return encoder_(picture, run);
  }

 private:
  VaeConfig config_;
  Encoder encoder_;
  Decoder decoder_;
};

}  // namespace hn::sana
