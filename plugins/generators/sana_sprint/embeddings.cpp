#include "embeddings.hpp"

#include <ATen/ATen.h>

#include <hn/nn/fused.hpp>

namespace hn::sana {
namespace {

constexpr std::int64_t kWaves = 256;
constexpr double kMaxPeriod = 10000;

// Sines and cosines of positions [N] at dim/2 frequencies: [N, dim].
at::Tensor sincos_1d(std::int64_t dim, const at::Tensor& position) {
  const auto wide = at::TensorOptions().dtype(at::kDouble);
  const auto exponent = at::arange(dim / 2, wide) / (static_cast<double>(dim) / 2);
  const auto angle = at::outer(position.to(at::kDouble),
                               at::pow(at::full({}, kMaxPeriod, wide), exponent).reciprocal());
  return at::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace

TimeEmbedding::TimeEmbedding(const Builder& builder, const TransformerConfig& config)
    : has_guidance_(config.guidance_embeds) {
  first_layer_ = builder.layers == nullptr ? -1 : static_cast<int>(builder.layers->size());
  // With guidance the embedders sit in time_embed itself, without it one level deeper
  // (AdaLayerNormSingle.emb).
  time_ = TimestepEmbedding(
      builder, has_guidance_ ? "time_embed.timestep_embedder" : "time_embed.emb.timestep_embedder",
      kWaves, config.width());
  if (has_guidance_)
    guidance_ = TimestepEmbedding(builder, "time_embed.guidance_embedder", kWaves, config.width());
  linear_ = Linear(builder, "time_embed.linear", config.width(), 6 * config.width(), true);
}

TimeEmbedding::Result TimeEmbedding::operator()(double timestep, double guidance,
                                                const LoraSet& lora) const {
  const auto waves = [this](double value) {
    const auto like = linear_.options();
    return timestep_waves(value, kWaves, 0, like.device()).to(like);
  };
  auto embedded = time_(waves(timestep), lora);
  if (has_guidance_) embedded = embedded + guidance_(waves(guidance), lora);
  return {linear_(at::silu(embedded), lora), embedded};
}

bool TimeEmbedding::adapted(const LoraSet& lora) const {
  for (int i = first_layer_; i >= 0 && i <= linear_.index(); ++i)
    if (lora.find(i) != nullptr) return true;
  return false;
}

CaptionProjection::CaptionProjection(const Builder& builder, const TransformerConfig& config)
    : first_(builder, "caption_projection.linear_1", config.caption_channels, config.width(), true),
      second_(builder, "caption_projection.linear_2", config.width(), config.width(), true),
      norm_(builder.weights.take("caption_norm.weight", {config.width()})) {}

at::Tensor CaptionProjection::operator()(const at::Tensor& text, const LoraSet& lora) const {
  return fused_rms_norm(second_(at::gelu(first_(text, lora), "tanh"), lora), norm_, {}, 1e-5);
}

bool CaptionProjection::adapted(const LoraSet& lora) const {
  return lora.find(first_.index()) != nullptr || lora.find(second_.index()) != nullptr;
}

at::Tensor sincos_positions(std::int64_t dim, std::int64_t height, std::int64_t width,
                            std::int64_t base_size, double interpolation_scale) {
  const auto grid = [&](std::int64_t n) {
    // Upstream's order of the two divisions, in float32.
    return at::arange(n, at::kFloat) / (static_cast<double>(n) / static_cast<double>(base_size)) /
           interpolation_scale;
  };
  const auto x = grid(width).unsqueeze(0).expand({height, width}).reshape({-1});
  const auto y = grid(height).unsqueeze(1).expand({height, width}).reshape({-1});
  return at::cat({sincos_1d(dim / 2, x), sincos_1d(dim / 2, y)}, 1).to(at::kFloat);
}

}  // namespace hn::sana
