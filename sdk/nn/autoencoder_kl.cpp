#include <ATen/ATen.h>

#include <hn/nn/autoencoder_kl.hpp>

namespace hn {
namespace {

constexpr double kEps = 1e-6;

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

AutoencoderMid::AutoencoderMid(const Builder& builder, const std::string& name,
                               std::int64_t channels, const AutoencoderKLConfig& config,
                               const ResnetOptions& options)
    : first_(builder, name + ".resnets.0", channels, channels, options),
      second_(builder, name + ".resnets.1", channels, channels, options),
      attention_(config.mid_attention) {
  if (!attention_) return;
  const std::string at = name + ".attentions.0";
  const bool old = builder.weights.contains(at + ".query.weight");
  norm_ = GroupNorm(builder, at + ".group_norm", config.groups, channels, kEps);
  q_ = Linear(builder, at + (old ? ".query" : ".to_q"), channels, channels, true);
  k_ = Linear(builder, at + (old ? ".key" : ".to_k"), channels, channels, true);
  v_ = Linear(builder, at + (old ? ".value" : ".to_v"), channels, channels, true);
  out_ = Linear(builder, at + (old ? ".proj_attn" : ".to_out.0"), channels, channels, true);
}

at::Tensor AutoencoderMid::attend(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), channels = x.size(1), h = x.size(2), w = x.size(3);
  const auto rows = norm_(x).permute({0, 2, 3, 1}).reshape({batch, h * w, channels});
  const auto heads = [&](const Linear& project) { return project(rows).unsqueeze(1); };
  const auto mixed = at::scaled_dot_product_attention(heads(q_), heads(k_), heads(v_)).squeeze(1);
  return x + out_(mixed).view({batch, h, w, channels}).permute({0, 3, 1, 2});
}

at::Tensor AutoencoderMid::operator()(const at::Tensor& x) const {
  const auto y = first_(x);
  return second_(attention_ ? attend(y) : y);
}

AutoencoderKL::AutoencoderKL(const AutoencoderKLConfig& config, WeightMap& weights)
    : config_(config), activation_(find_activation(config.activation, "[vae] act_fn")) {
  const Builder build{weights};
  const ResnetOptions options{.groups = config.groups, .eps = kEps, .activation = activation_};
  const std::int64_t first = config.channels.front(), last = config.channels.back(),
                     latent = config.latent_channels;
  const std::size_t n = config.channels.size();

  encoder_in_ = Conv2d(build, "encoder.conv_in", 3, first, 3, 1, 1, 1, true);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string at = "encoder.down_blocks." + std::to_string(i);
    Stage stage;
    for (std::int64_t j = 0; j < config.layers; ++j)
      stage.blocks.emplace_back(build, at + ".resnets." + std::to_string(j),
                                j == 0 ? config.channels[i == 0 ? 0 : i - 1] : config.channels[i],
                                config.channels[i], options);
    stage.resamples = i + 1 < n;
    if (stage.resamples)
      stage.down = Downsample(build, at + ".downsamplers.0", config.channels[i], 0);
    encoder_.push_back(std::move(stage));
  }
  encoder_mid_ = AutoencoderMid(build, "encoder.mid_block", last, config, options);
  encoder_norm_ = GroupNorm(build, "encoder.conv_norm_out", config.groups, last, kEps);
  encoder_out_ = Conv2d(build, "encoder.conv_out", last, 2 * latent, 3, 1, 1, 1, true);
  if (config.quant_conv)
    quant_ = Conv2d(build, "quant_conv", 2 * latent, 2 * latent, 1, 1, 0, 1, true);

  if (config.post_quant_conv)
    post_quant_ = Conv2d(build, "post_quant_conv", latent, latent, 1, 1, 0, 1, true);
  decoder_in_ = Conv2d(build, "decoder.conv_in", latent, last, 3, 1, 1, 1, true);
  decoder_mid_ = AutoencoderMid(build, "decoder.mid_block", last, config, options);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string at = "decoder.up_blocks." + std::to_string(i);
    const std::int64_t channels = config.channels[n - 1 - i],
                       before = config.channels[i == 0 ? n - 1 : n - i];
    Stage stage;
    for (std::int64_t j = 0; j <= config.layers; ++j)
      stage.blocks.emplace_back(build, at + ".resnets." + std::to_string(j),
                                j == 0 ? before : channels, channels, options);
    stage.resamples = i + 1 < n;
    if (stage.resamples) stage.up = Upsample(build, at + ".upsamplers.0", channels);
    decoder_.push_back(std::move(stage));
  }
  decoder_norm_ = GroupNorm(build, "decoder.conv_norm_out", config.groups, first, kEps);
  decoder_out_ = Conv2d(build, "decoder.conv_out", first, 3, 3, 1, 1, 1, true);
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents, BlockRunner* run) const {
  BlockRunner plain;
  BlockRunner& runner = run != nullptr ? *run : plain;
  auto x = channels_last(latents / config_.scaling_factor + config_.shift_factor);
  if (config_.post_quant_conv) x = post_quant_(x);
  x = runner([this](const Tensors& in) { return decoder_mid_(in[0]); }, {decoder_in_(x)});
  for (const Stage& stage : decoder_) {
    for (const auto& block : stage.blocks)
      x = runner([&block](const Tensors& in) { return block(in[0]); }, {x});
    if (stage.resamples) x = runner([&stage](const Tensors& in) { return stage.up(in[0]); }, {x});
  }
  return runner([this](const Tensors& in) { return decoder_out_(at::silu(decoder_norm_(in[0]))); },
                {x});
}

at::Tensor AutoencoderKL::encode(const at::Tensor& picture, BlockRunner* run) const {
  BlockRunner plain;
  BlockRunner& runner = run != nullptr ? *run : plain;
  auto x = encoder_in_(channels_last(picture));
  for (const Stage& stage : encoder_) {
    for (const auto& block : stage.blocks)
      x = runner([&block](const Tensors& in) { return block(in[0]); }, {x});
    if (stage.resamples) x = stage.down(x);
  }
  x = runner([this](const Tensors& in) { return encoder_mid_(in[0]); }, {x});
  x = encoder_out_(at::silu(encoder_norm_(x)));
  if (config_.quant_conv) x = quant_(x);
  const auto mean = x.narrow(1, 0, config_.latent_channels);
  return (mean - config_.shift_factor) * config_.scaling_factor;
}

}  // namespace hn
