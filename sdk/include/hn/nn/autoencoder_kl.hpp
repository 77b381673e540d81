// The variational autoencoder of Stable Diffusion and FLUX: pictures to latents and back.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_kl.py and vae.py. Differences: encoding
// gives the posterior's mean instead of a draw (its variance is not used by noise hypernetworks);
// padding, attention and norms are the same sums in channels-last memory.
#pragma once

#include <hn/nn/autoencoder.hpp>
#include <hn/nn/autoencoder_kl_config.hpp>
#include <hn/nn/resnet_block.hpp>
#include <hn/nn/weight_map.hpp>
#include <memory>
#include <string>
#include <vector>

namespace hn {

// Residual blocks with a single-head attention over all pixels between them.
class AutoencoderMid {
 public:
  AutoencoderMid() = default;
  AutoencoderMid(const Builder& builder, const std::string& name, std::int64_t channels,
                 const AutoencoderKLConfig& config, const ResnetOptions& options);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor attend(const at::Tensor& x) const;

  ResnetBlock first_, second_;
  bool attention_ = false;
  GroupNorm norm_;
  Linear q_, k_, v_, out_;
};

class AutoencoderKL final : public Autoencoder {
 public:
  // Takes "encoder.", "decoder.", "quant_conv." and "post_quant_conv." from `weights`; the caller
  // then calls weights.finish(). The attention's old names (query, key, value, proj_attn) are read
  // too.
  AutoencoderKL(const AutoencoderKLConfig& config, WeightMap& weights);

  std::int64_t factor() const override { return config_.factor(); }
  std::int64_t overlap_share() const override { return 4; }
  // Both scale and shift by the configuration's numbers: latents are unit-variance ones.
  at::Tensor decode(const at::Tensor& latents, BlockRunner* run) const override;
  at::Tensor encode(const at::Tensor& picture, BlockRunner* run) const override;

  const AutoencoderKLConfig& config() const { return config_; }

 private:
  struct Stage {
    std::vector<ResnetBlock> blocks;
    Downsample down;
    Upsample up;
    bool resamples = false;
  };

  AutoencoderKLConfig config_;
  Activation activation_;
  Conv2d encoder_in_, encoder_out_, decoder_in_, decoder_out_, quant_, post_quant_;
  std::vector<Stage> encoder_, decoder_;  // in the order of the computation
  AutoencoderMid encoder_mid_, decoder_mid_;
  GroupNorm encoder_norm_, decoder_norm_;
};

}  // namespace hn
