#include "dc_ae_decoder.hpp"

#include <ATen/ATen.h>

#include <hn/nn/fused.hpp>

namespace hn::sana {

Decoder::Decoder(const VaeConfig& config, WeightMap& weights)
    : activation_(find_activation(config.decoder_activation, "[vae] decoder_conv_act_fn")) {
  const Builder build{weights};
  const auto& stages = config.decoder;
  const std::size_t n = stages.size();
  conv_in_ = Conv2d(build, "decoder.conv_in", config.latent_channels, stages.back().channels, 3, 1,
                    1, 1, true);
  if (config.decoder_in_shortcut)
    shortcut_repeats_ = stages.back().channels / config.latent_channels;
  for (std::size_t i = n; i-- > 0;) {
    const std::string at = "decoder.up_blocks." + std::to_string(i);
    const bool up = i + 1 < n && stages[i].layers > 0;
    if (up)
      blocks_.push_back(std::make_unique<UpBlock>(build, at + ".0", stages[i + 1].channels,
                                                  stages[i].channels, config.pixel_shuffle, true));
    add_stage(blocks_, build, at, stages[i], config.head_dim, up ? 1 : 0);
  }
  const bool plain = stages[0].layers > 0;
  const std::int64_t channels = stages[plain ? 0 : 1].channels;
  norm_weight_ = weights.take("decoder.norm_out.weight", {channels});
  norm_bias_ = weights.take("decoder.norm_out.bias", {channels});
  if (plain)
    conv_out_ = Conv2d(build, "decoder.conv_out", channels, config.in_channels, 3, 1, 1, 1, true);
  else
    up_out_ = std::make_unique<UpBlock>(build, "decoder.conv_out", channels, config.in_channels,
                                        config.pixel_shuffle, false);
}

void Decoder::prepare() {
  for (auto& block : blocks_) block->prepare();
  if (up_out_) up_out_->prepare();
  if (shortcut_repeats_ > 0 && fold_repeat_shortcut(conv_in_, shortcut_repeats_))
    shortcut_repeats_ = 0;
}

at::Tensor Decoder::operator()(const at::Tensor& latents, BlockRunner* run) const {
  BlockRunner plain;
  BlockRunner& runner = run != nullptr ? *run : plain;
  auto x = latents.contiguous(at::MemoryFormat::ChannelsLast);
  x = shortcut_repeats_ == 0 ? conv_in_(x)
                             : conv_in_(x) + x.repeat_interleave(shortcut_repeats_, 1);
  for (const auto& block : blocks_)
    x = runner([&block](const Tensors& in) { return (*block)(in[0]); }, {x});
  return runner([this](const Tensors& in) { return head(in[0]); }, {x});
}

at::Tensor Decoder::head(const at::Tensor& input) const {
  auto x = fused_rms_norm(input.permute({0, 2, 3, 1}), norm_weight_, norm_bias_, 1e-5)
               .permute({0, 3, 1, 2});
  x = activation_(x);
  return up_out_ ? (*up_out_)(x) : conv_out_(x);
}

}  // namespace hn::sana
