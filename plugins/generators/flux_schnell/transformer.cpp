#include "transformer.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <memory>

namespace hn::flux {
namespace {

constexpr std::int64_t kWaves = 256;
constexpr double kTimeScale = 1000;

// What the network is told for a number of 0 to 1: a thousandfold, rounded to the dtype before and
// after, as upstream's tensors are.
double thousandfold(double value, at::ScalarType dtype) {
  return (at::full({}, value, dtype) * kTimeScale).item<double>();
}

at::Tensor spread(const at::Tensor& of_prompts, const at::Tensor& prompt_of_sample) {
  return prompt_of_sample.defined() ? of_prompts.index_select(0, prompt_of_sample) : of_prompts;
}

}  // namespace

at::Tensor pack(const at::Tensor& x) {
  const std::int64_t b = x.size(0), c = x.size(1), h = x.size(2) / 2, w = x.size(3) / 2;
  return x.reshape({b, c, h, 2, w, 2}).permute({0, 2, 4, 1, 3, 5}).reshape({b, h * w, 4 * c});
}

at::Tensor unpack(const at::Tensor& tokens, std::int64_t height, std::int64_t width) {
  const std::int64_t b = tokens.size(0), c = tokens.size(2) / 4, h = height / 2, w = width / 2;
  return tokens.reshape({b, h, w, c, 2, 2})
      .permute({0, 3, 1, 4, 2, 5})
      .reshape({b, c, height, width});
}

Transformer::Transformer(const TransformerConfig& config, WeightMap& weights)
    : config_(config), dtype_(weights.dtype()), device_(weights.device()) {
  const Builder build{weights, &layers_};
  const std::int64_t width = config.width();
  const std::string embedder = "time_text_embed.";
  time_ = TimestepEmbedding(build, embedder + "timestep_embedder", kWaves, width);
  if (config.guidance_embeds)
    guidance_ = TimestepEmbedding(build, embedder + "guidance_embedder", kWaves, width);
  pooled_ = TimestepEmbedding(build, embedder + "text_embedder", config.pooled_dim, width);
  text_in_ = Linear(build, "context_embedder", config.text_dim, width, true);
  picture_in_ = Linear(build, "x_embedder", config.in_channels, width, true);
  for (std::int64_t i = 0; i < config.double_layers; ++i) {
    const std::size_t first = build.count();
    DoubleBlock block(build, "transformer_blocks." + std::to_string(i), config);
    double_blocks_.push_back({std::move(block), first, build.count()});
  }
  for (std::int64_t i = 0; i < config.single_layers; ++i) {
    const std::size_t first = build.count();
    SingleBlock block(build, "single_transformer_blocks." + std::to_string(i), config);
    single_blocks_.push_back({std::move(block), first, build.count()});
  }
  norm_out_ = Modulation(build, "norm_out", 2, width);
  proj_out_ = Linear(build, "proj_out", width, config.in_channels, true);
}

at::Tensor Transformer::conditioning(const Text& text, double time, double guidance,
                                     const LoraSet& lora) const {
  const auto waves = [&](double value) {
    return timestep_waves(thousandfold(value, dtype_), kWaves, 0, device_).to(dtype_);
  };
  auto sum = time_(waves(time), lora);
  if (config_.guidance_embeds) sum = sum + guidance_(waves(guidance), lora);
  return sum + spread(pooled_(text.pooled, lora), text.prompt_of_sample);
}

at::Tensor Transformer::operator()(const at::Tensor& latents, const Text& text, double time,
                                   double guidance, const LoraSet& lora, BlockRunner& run) const {
  const std::int64_t channels = config_.latent_channels();
  if (latents.dim() != 4 || latents.size(1) != channels || latents.size(2) % 2 != 0 ||
      latents.size(3) % 2 != 0)
    throw Error(HN_INVALID_ARGUMENT, "[flux_schnell] expected latents (B," +
                                         std::to_string(channels) + ",h,w), h and w even, got " +
                                         c10::str(latents.sizes()));
  const std::int64_t height = latents.size(2), width = latents.size(3),
                     tokens = text.states.size(1);
  auto states = spread(text_in_(text.states, lora), text.prompt_of_sample);
  auto pixels = picture_in_(pack(latents), lora);
  states = states.expand({pixels.size(0), states.size(1), states.size(2)});
  auto x = at::cat({states, pixels}, 1);
  const BlockInput input{conditioning(text, time, guidance, lora),
                         rotary_positions(config_, tokens, height / 2, width / 2, dtype_, device_),
                         tokens};
  // A block may run again after this call, so it holds what the call made.
  const auto adapters = std::make_shared<const LoraSet>(lora);
  const auto step = [&](const auto& placed) {
    x = run(
        [&block = placed.block, adapters, rotations = input.rotations, tokens](const Tensors& in) {
          return block(in[0], {in[1], rotations, tokens}, *adapters);
        },
        {x, input.conditioning}, lora.matrices(placed.first, placed.last));
  };
  for (const auto& placed : double_blocks_) step(placed);
  for (const auto& placed : single_blocks_) step(placed);
  const auto m = norm_out_(input.conditioning, lora);
  const auto picture = x.slice(1, tokens);
  return unpack(proj_out_(modulated_norm(picture, m[1], m[0]), lora), height, width);
}

}  // namespace hn::flux
