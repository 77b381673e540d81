#include "transformer.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/ops.hpp>
#include <hn/nn/stream_order.hpp>

namespace hn::sana {
namespace {

// Rows of a block's table: shift, scale and gate of the attention, then of the feed-forward.
enum Row { kShiftAttn, kScaleAttn, kGateAttn, kShiftFf, kScaleFf, kGateFf };
constexpr std::size_t kMostCached = 64;  // time steps, sizes

}  // namespace

Transformer::Transformer(const TransformerConfig& config, WeightMap& weights) : config_(config) {
  const Builder build{weights, &layers_};
  const std::int64_t width = config.width(), p = config.patch_size;
  patch_ = Conv2d(build, "patch_embed.proj", config.in_channels, width, p, p, 0, 1, true);
  time_ = TimeEmbedding(build, config);
  caption_ = CaptionProjection(build, config);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string at = "transformer_blocks." + std::to_string(i);
    Block block;
    block.first = build.count();
    block.attn1 = LinearAttention(
        build, at + ".attn1",
        {width, width, config.heads, config.head_dim, config.attention_bias, config.qk_norm});
    block.attn2 = CrossAttention(
        build, at + ".attn2",
        {width, config.cross_dim, config.cross_heads, config.cross_head_dim, true, config.qk_norm});
    block.ff = GluMbConv(build, at + ".ff", width, config.mlp_ratio, false);
    block.table = weights.take(at + ".scale_shift_table", {6, width});
    if (config.norm_elementwise_affine) {
      block.norm2_weight = weights.take(at + ".norm2.weight", {width});
      block.norm2_bias = weights.take(at + ".norm2.bias", {width});
    }
    block.last = build.count();
    blocks_.push_back(std::move(block));
  }
  last_table_ = weights.take("scale_shift_table", {2, width});
  proj_out_ = Linear(build, "proj_out", width, p * p * config.in_channels, true);
}

void Transformer::prepare() {
  const auto wide = accumulate_type(last_table_.scalar_type());
  std::vector<at::Tensor> tables;
  for (auto& block : blocks_) tables.push_back(block.table.to(wide));
  block_tables_ = at::stack(tables);
  block_tables_.select(1, kScaleAttn).add_(1);
  block_tables_.select(1, kScaleFf).add_(1);
  last_table_ = last_table_.to(wide, /*non_blocking=*/false, /*copy=*/true);
  last_table_.select(0, 1).add_(1);
}

void Transformer::trim() const {
  modulations_.clear();
  positions_.clear();
}

Transformer::Modulation Transformer::modulation(double timestep, double guidance,
                                                const LoraSet& lora) const {
  const bool cached = !time_.adapted(lora);
  const auto key = std::pair(timestep, guidance);
  if (cached) {
    if (const auto found = modulations_.find(key); found != modulations_.end()) {
      used_here(found->second.blocks[0]);
      used_here(found->second.last);
      return found->second;
    }
  }
  const auto result = time_(timestep, guidance, lora);
  const auto dtype = result.modulation.scalar_type();
  const auto wide = block_tables_.scalar_type();
  const auto all = (block_tables_ + result.modulation.to(wide).view({1, 6, -1})).to(dtype);
  Modulation m{all.unbind(0), (last_table_ + result.embedded.to(wide)).to(dtype)};
  if (cached) {
    if (modulations_.size() >= kMostCached) modulations_.clear();
    settle(m.last.device());
    modulations_.emplace(key, m);
  }
  return m;
}

at::Tensor Transformer::positions(std::int64_t height, std::int64_t width) const {
  const auto key = std::pair(height, width);
  if (const auto found = positions_.find(key); found != positions_.end()) return found->second;
  if (positions_.size() >= kMostCached) positions_.clear();
  const auto made =
      sincos_positions(config_.width(), height, width, config_.sample_size / config_.patch_size,
                       *config_.interpolation_scale)
          .to(last_table_.device());
  positions_.emplace(key, made);
  return made;
}

at::Tensor Transformer::run_block(const Block& block, const at::Tensor& input,
                                  const at::Tensor& modulation, const Caption& caption,
                                  std::int64_t height, std::int64_t width,
                                  const LoraSet& lora) const {
  const std::int64_t channels = config_.width();
  const auto m = modulation.unbind(0);
  auto x = input;
  const auto attended = block.attn1(
      at::layer_norm(x, {channels}, m[kScaleAttn], m[kShiftAttn], config_.norm_eps), lora);
  x = at::addcmul(x, m[kGateAttn], attended);
  x = block.attn2(x, caption, lora) + x;

  auto scale = m[kScaleFf], shift = m[kShiftFf];
  if (block.norm2_weight.defined()) {
    shift = shift + scale * block.norm2_bias;
    scale = scale * block.norm2_weight;
  }
  const auto y = at::layer_norm(x, {channels}, scale, shift, config_.norm_eps)
                     .view({-1, height, width, channels});
  return at::addcmul(x, m[kGateFf], block.ff(y, lora).view(x.sizes()));
}

at::Tensor Transformer::operator()(const at::Tensor& x, const Caption& caption, double timestep,
                                   double guidance, const LoraSet& lora, BlockRunner* run) const {
  const std::int64_t p = config_.patch_size, batch = x.size(0), channels = x.size(1),
                     h = x.size(2) / p, w = x.size(3) / p;
  if (x.dim() != 4 || channels != config_.in_channels || h * p != x.size(2) || w * p != x.size(3))
    throw Error(HN_INVALID_ARGUMENT,
                "[transformer] expected (B," + std::to_string(config_.in_channels) +
                    ",h,w) with h and w multiples of " + std::to_string(p) + ", got (" +
                    std::to_string(batch) + "," + std::to_string(channels) + "," +
                    std::to_string(x.size(2)) + "," + std::to_string(x.size(3)) + ")");

  // One row a patch, its numbers in the order (channel, y, x) of the convolution's weight.
  const auto patches = x.reshape({batch, channels, h, p, w, p})
                           .permute({0, 2, 4, 1, 3, 5})
                           .reshape({batch, h * w, channels * p * p});
  auto tokens = patch_.on_patches(patches, lora);
  if (config_.interpolation_scale) tokens = (tokens + positions(h, w)).to(x.scalar_type());

  const Modulation m = modulation(timestep, guidance, lora);
  BlockRunner plain;
  BlockRunner& runner = run != nullptr ? *run : plain;
  const auto adapters = std::make_shared<const LoraSet>(lora);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    tokens = runner(
        [this, &block, adapters, h, w, text = caption](const Tensors& in) {
          Caption own = text;
          own.states = in[2];
          return run_block(block, in[0], in[1], own, h, w, *adapters);
        },
        {tokens, m.blocks[i], caption.states}, lora.matrices(block.first, block.last));
  }

  const auto last = at::layer_norm(tokens, {config_.width()}, m.last[1], m.last[0], 1e-6);
  const auto out = proj_out_(last, lora);
  return out.view({batch, h, w, p, p, config_.in_channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({batch, config_.in_channels, h * p, w * p});
}

}  // namespace hn::sana
