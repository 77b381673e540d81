#include "dc_ae_encoder.hpp"

#include <ATen/ATen.h>

namespace hn::sana {

Encoder::Encoder(const VaeConfig& config, WeightMap& weights)
    : plain_conv_in_(config.encoder[0].layers > 0) {
  const Builder build{weights};
  const auto& stages = config.encoder;
  const std::size_t n = stages.size();
  if (plain_conv_in_)
    conv_in_ =
        Conv2d(build, "encoder.conv_in", config.in_channels, stages[0].channels, 3, 1, 1, 1, true);
  else
    blocks_.push_back(std::make_unique<DownBlock>(build, "encoder.conv_in", config.in_channels,
                                                  stages[1].channels, config.pixel_unshuffle,
                                                  false));
  for (std::size_t i = 0; i < n; ++i) {
    const std::string at = "encoder.down_blocks." + std::to_string(i);
    add_stage(blocks_, build, at, stages[i], config.head_dim, 0);
    if (i + 1 < n && stages[i].layers > 0)
      blocks_.push_back(std::make_unique<DownBlock>(
          build, at + "." + std::to_string(stages[i].layers), stages[i].channels,
          stages[i + 1].channels, config.pixel_unshuffle, true));
  }
  conv_out_ = Conv2d(build, "encoder.conv_out", stages.back().channels, config.latent_channels, 3,
                     1, 1, 1, true);
  if (config.encoder_out_shortcut)
    shortcut_group_ = stages.back().channels / config.latent_channels;
}

void Encoder::prepare() {
  for (auto& block : blocks_) block->prepare();
}

at::Tensor Encoder::operator()(const at::Tensor& image, BlockRunner* run) const {
  BlockRunner plain;
  BlockRunner& runner = run != nullptr ? *run : plain;
  auto x = image.contiguous(at::MemoryFormat::ChannelsLast);
  if (plain_conv_in_) x = conv_in_(x);
  for (const auto& block : blocks_)
    x = runner([&block](const Tensors& in) { return (*block)(in[0]); }, {x});
  const auto y = conv_out_(x);
  return shortcut_group_ == 0 ? y : y + x.unflatten(1, {-1, shortcut_group_}).mean(2);
}

}  // namespace hn::sana
