#include "unet.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/timestep_embedding.hpp>
#include <memory>

namespace hn::sd {
namespace {

ResnetOptions resnet_options(const UNetConfig& config) {
  return {.groups = config.groups,
          .eps = config.norm_eps,
          .activation = find_activation(config.activation, "[unet] act_fn"),
          .time_channels = config.time_dim,
          .time_scale_shift = config.time_scale_shift};
}

at::Tensor activate(const at::Tensor& x, const std::string& name) {
  return name.empty() ? x : find_activation(name, "[unet] activation")(x);
}

}  // namespace

UNet::Unit UNet::make_unit(const Builder& build, const std::string& block, std::int64_t index,
                           std::int64_t in, const UNetStage& stage,
                           std::int64_t transformers) const {
  const std::string number = std::to_string(index);
  Unit unit;
  unit.resnet =
      ResnetBlock(build, block + ".resnets." + number, in, stage.channels, resnet_options(config_));
  unit.attends = transformers > 0;
  if (unit.attends)
    unit.attention = SpatialTransformer(build, block + ".attentions." + number,
                                        {.channels = stage.channels,
                                         .heads = stage.heads,
                                         .cross_dim = stage.cross_dim,
                                         .layers = transformers,
                                         .groups = config_.groups,
                                         .linear_projection = config_.linear_projection,
                                         .only_cross_attention = stage.only_cross_attention});
  unit.last = build.count();
  return unit;
}

UNet::UNet(const UNetConfig& config, WeightMap& weights)
    : config_(config), activation_(find_activation(config.activation, "[unet] act_fn")) {
  const Builder build{weights, &layers_};
  const auto& stages = config.stages;
  const std::size_t n = stages.size();
  const std::int64_t first = stages.front().channels, last = stages.back().channels;
  conv_in_ = Conv2d(build, "conv_in", config.channels, first, config.conv_in_kernel, 1,
                    (config.conv_in_kernel - 1) / 2, 1, true);
  time1_ = Linear(build, "time_embedding.linear_1", first, config.time_dim, true);
  time2_ = Linear(build, "time_embedding.linear_2", config.time_dim, config.time_dim, true);

  for (std::size_t i = 0; i < n; ++i) {
    const std::string name = "down_blocks." + std::to_string(i);
    Block block;
    for (std::int64_t j = 0; j < stages[i].layers; ++j)
      block.units.push_back(make_unit(
          build, name, j, j == 0 ? stages[i == 0 ? 0 : i - 1].channels : stages[i].channels,
          stages[i], stages[i].down_transformers));
    block.resamples = i + 1 < n;
    if (block.resamples)
      block.down = Downsample(build, name + ".downsamplers.0", stages[i].channels,
                              config.downsample_padding);
    down_.push_back(std::move(block));
  }

  if (config.mid != UNetMid::kNone) {
    // The middle block looks at both, whatever only_cross_attention says, and has its own scale.
    const bool attends = config.mid == UNetMid::kCrossAttention;
    auto options = resnet_options(config);
    options.output_scale = config.mid_scale;
    Unit unit;
    unit.first = build.count();
    unit.resnet = ResnetBlock(build, "mid_block.resnets.0", last, last, options);
    unit.attends = attends;
    if (attends)
      unit.attention = SpatialTransformer(build, "mid_block.attentions.0",
                                          {.channels = last,
                                           .heads = stages.back().heads,
                                           .cross_dim = stages.back().cross_dim,
                                           .layers = config.mid_transformers,
                                           .groups = config.groups,
                                           .linear_projection = config.linear_projection});
    unit.last = build.count();
    mid_.push_back(std::move(unit));
    if (attends) {
      Unit second;
      second.first = build.count();
      second.resnet = ResnetBlock(build, "mid_block.resnets.1", last, last, options);
      second.last = build.count();
      mid_.push_back(std::move(second));
    }
  }

  // An up block takes the features below it and, layer by layer, those that the way down left at
  // its resolution; the last of these came from the block above.
  for (std::size_t i = 0; i < n; ++i) {
    const std::string name = "up_blocks." + std::to_string(i);
    const UNetStage& stage = stages[n - 1 - i];
    const std::int64_t below = i == 0 ? last : stages[n - i].channels,
                       above = i + 1 < n ? stages[n - 2 - i].channels : first;
    Block block;
    for (std::int64_t j = 0; j <= stage.layers; ++j)
      block.units.push_back(make_unit(
          build, name, j,
          (j == 0 ? below : stage.channels) + (j == stage.layers ? above : stage.channels), stage,
          stage.up_transformers));
    block.resamples = i + 1 < n;
    if (block.resamples) block.up = Upsample(build, name + ".upsamplers.0", stage.channels);
    up_.push_back(std::move(block));
  }
  norm_out_ = GroupNorm(build, "conv_norm_out", config.groups, first, config.norm_eps);
  conv_out_ = Conv2d(build, "conv_out", first, config.channels, config.conv_out_kernel, 1,
                     (config.conv_out_kernel - 1) / 2, 1, true);
  conv_out_layer_ = static_cast<int>(layers_.size()) - 1;
  device_ = weights.device();
  dtype_ = weights.dtype();
}

at::Tensor UNet::embed(double timestep, const LoraSet& lora) const {
  const auto waves = timestep_waves(timestep, config_.stages.front().channels, config_.freq_shift,
                                    device_, config_.flip_sin_to_cos);
  auto h = time1_(waves.to(dtype_), lora);
  h = activate(time2_(activation_(h), lora), config_.time_post_act);
  return activation_(activate(h, config_.time_act));
}

at::Tensor UNet::operator()(const at::Tensor& input, double timestep, const Text& text,
                            const LoraSet& lora, BlockRunner* given) const {
  if (input.dim() != 4 || input.size(1) != config_.channels)
    throw Error(HN_INVALID_ARGUMENT, "[unet] expected (B," + std::to_string(config_.channels) +
                                         ",h,w), got " + c10::str(input.sizes()));
  BlockRunner plain;
  BlockRunner& runner = given != nullptr ? *given : plain;
  const auto adapters = std::make_shared<const LoraSet>(lora);
  const auto time = embed(timestep, lora);
  // skip: what the way down left at this resolution, or undefined.
  const auto run = [&](const Unit& unit, const at::Tensor& x, const at::Tensor& skip) {
    return runner(
        [&unit, adapters, of_sample = text.prompt_of_sample](const Tensors& in) {
          const auto joined = in[1].defined() ? at::cat({in[0], in[1]}, 1) : in[0];
          const auto y = unit.resnet(joined, in[2], *adapters);
          return unit.attends ? unit.attention(y, {in[3], of_sample}, *adapters) : y;
        },
        {x, skip, time, text.states}, lora.matrices(unit.first, unit.last));
  };

  auto x = config_.center_input ? 2 * input - 1 : input;
  x = conv_in_(x.contiguous(at::MemoryFormat::ChannelsLast), lora);
  std::vector<at::Tensor> kept{x};
  for (const Block& block : down_) {
    for (const Unit& unit : block.units) kept.push_back(x = run(unit, x, {}));
    if (block.resamples) kept.push_back(x = block.down(x, lora));
  }
  for (const Unit& unit : mid_) x = run(unit, x, {});
  for (const Block& block : up_) {
    for (const Unit& unit : block.units) {
      x = run(unit, x, kept.back());
      kept.pop_back();
    }
    // To the size that the way down had, which an odd number does not double to.
    if (block.resamples) x = block.up(x, kept.back().size(2), kept.back().size(3), lora);
  }
  return conv_out_(activation_(norm_out_(x)), lora).contiguous();
}

}  // namespace hn::sd
