#include "dc_ae_blocks.hpp"

#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/fused.hpp>

namespace hn::sana {
namespace {

at::Tensor channels_last(const at::Tensor& nchw) { return nchw.permute({0, 2, 3, 1}); }
at::Tensor channels_first(const at::Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}); }

// v (k^T q) / (sum over keys of k^T q + eps), the same sum as linear attention in the other order;
// upstream takes it for few positions. q, k, v: [B, N, heads, d].
at::Tensor quadratic_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto scores = at::matmul(at::relu(q.transpose(1, 2)), at::relu(k.permute({0, 2, 3, 1})))
                          .to(accumulate_type(q.scalar_type()));
  const auto weights = scores / (scores.sum(-1, true) + 1e-15);
  return at::matmul(weights.to(v.scalar_type()), v.transpose(1, 2)).transpose(1, 2);
}

}  // namespace

ChannelNorm::ChannelNorm(const Builder& builder, const std::string& name, std::int64_t channels,
                         bool batch_norm)
    : weight_(builder.weights.take(name + ".weight", {channels})),
      bias_(builder.weights.take(name + ".bias", {channels})) {
  if (!batch_norm) return;
  mean_ = builder.weights.take(name + ".running_mean", {channels});
  variance_ = builder.weights.take(name + ".running_var", {channels});
  builder.weights.skip(name + ".num_batches_tracked");
}

at::Tensor ChannelNorm::operator()(const at::Tensor& x, const at::Tensor& residual) const {
  if (mean_.defined())
    return at::batch_norm(x, weight_, bias_, mean_, variance_, false, 0.1, 1e-5, false) + residual;
  return channels_first(
      fused_rms_norm(channels_last(x), weight_, bias_, 1e-5, channels_last(residual)));
}

ResBlock::ResBlock(const Builder& builder, const std::string& name, const VaeStage& stage)
    : activation_(find_activation(stage.activation, "[vae " + name + "] activation")),
      conv1_(builder, name + ".conv1", stage.channels, stage.channels, 3, 1, 1, 1, true),
      conv2_(builder, name + ".conv2", stage.channels, stage.channels, 3, 1, 1, 1, false),
      norm_(builder, name + ".norm", stage.channels, stage.batch_norm) {}

at::Tensor ResBlock::operator()(const at::Tensor& x) const {
  return norm_(conv2_(activation_(conv1_(x))), x);
}

MultiscaleAttention::MultiscaleAttention(const Builder& builder, const std::string& name,
                                         const VaeStage& stage, std::int64_t head_dim)
    : head_dim_(head_dim) {
  const std::int64_t channels = stage.channels, heads = channels / head_dim,
                     inner = heads * head_dim;
  if (heads < 1) {
    throw Error(HN_DATA_LOSS, "[vae " + name + "] expected at least attention_head_dim " +
                                  std::to_string(head_dim) + " channels, got " +
                                  std::to_string(channels));
  }
  q_ = Linear(builder, name + ".to_q", channels, inner, false);
  k_ = Linear(builder, name + ".to_k", channels, inner, false);
  v_ = Linear(builder, name + ".to_v", channels, inner, false);
  for (std::size_t i = 0; i < stage.multiscales.size(); ++i) {
    const std::string at = name + ".to_qkv_multiscale." + std::to_string(i);
    const std::int64_t kernel = stage.multiscales[i];
    scales_.push_back(
        {Conv2d(builder, at + ".proj_in", 3 * inner, 3 * inner, kernel, 1, kernel / 2, 3 * inner,
                false),
         Conv2d(builder, at + ".proj_out", 3 * inner, 3 * inner, 1, 1, 0, 3 * heads, false)});
  }
  out_ = Linear(builder, name + ".to_out", inner * static_cast<std::int64_t>(1 + scales_.size()),
                channels, false);
  norm_ = ChannelNorm(builder, name + ".norm_out", channels, stage.batch_norm);
}

void MultiscaleAttention::prepare() { qkv_ = at::cat({q_.weight, k_.weight, v_.weight}); }

at::Tensor MultiscaleAttention::operator()(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), height = x.size(2), width = x.size(3), n = height * width;
  std::vector<at::Tensor> all{at::linear(channels_last(x), qkv_)};
  const auto qkv = channels_first(all[0]);
  for (const auto& scale : scales_)
    all.push_back(channels_last(scale.grouped(scale.depthwise(qkv))));
  const auto joined = all.size() == 1 ? all[0] : at::cat(all, -1);
  // [B, H, W, heads * 3 * d] -> three of [B, N, heads, d].
  const auto parts = joined.reshape({batch, n, -1, 3, head_dim_}).unbind(3);
  const auto y = n > head_dim_ ? fused_relu_linear_attention(parts[0], parts[1], parts[2])
                               : quadratic_attention(parts[0], parts[1], parts[2]);
  return norm_(channels_first(out_(y.to(x.scalar_type()).reshape({batch, height, width, -1}))), x);
}

EfficientVitBlock::EfficientVitBlock(const Builder& builder, const std::string& name,
                                     const VaeStage& stage, std::int64_t head_dim)
    : attention_(builder, name + ".attn", stage, head_dim),
      feed_forward_(builder, name + ".conv_out", stage.channels, 4, true) {}

at::Tensor EfficientVitBlock::operator()(const at::Tensor& x) const {
  const auto y = channels_last(attention_(x));
  return channels_first(feed_forward_(y, {}, y));
}

DownBlock::DownBlock(const Builder& builder, const std::string& name, std::int64_t in,
                     std::int64_t out, bool unshuffle, bool shortcut)
    : group_(in * 4 / out), unshuffle_(unshuffle), shortcut_(shortcut) {
  if ((unshuffle && out % 4 != 0) || (shortcut && (group_ < 1 || group_ * out != in * 4))) {
    throw Error(HN_DATA_LOSS, "[vae " + name + "] " + std::to_string(in) + " to " +
                                  std::to_string(out) +
                                  " channels: the second number must divide 4 times the first, and "
                                  "be a multiple of 4 for pixel_unshuffle");
  }
  conv_ = Conv2d(builder, name + ".conv", in, unshuffle ? out / 4 : out, 3, unshuffle ? 1 : 2, 1, 1,
                 true);
}

at::Tensor DownBlock::operator()(const at::Tensor& x) const {
  auto y = conv_(x);
  if (unshuffle_) y = at::pixel_unshuffle(y, 2);
  if (!shortcut_) return y;
  return y + at::pixel_unshuffle(x, 2).unflatten(1, {-1, group_}).mean(2);
}

UpBlock::UpBlock(const Builder& builder, const std::string& name, std::int64_t in, std::int64_t out,
                 bool shuffle, bool shortcut)
    : repeats_(out * 4 / in), shuffle_(shuffle), shortcut_(shortcut) {
  if (shortcut && (repeats_ < 1 || repeats_ * in != out * 4)) {
    throw Error(HN_DATA_LOSS, "[vae " + name + "] " + std::to_string(in) + " to " +
                                  std::to_string(out) +
                                  " channels: the first number must divide 4 times the second");
  }
  conv_ = Conv2d(builder, name + ".conv", in, shuffle ? out * 4 : out, 3, 1, 1, 1, true);
}

void UpBlock::prepare() {
  if (!shuffle_) return;
  if (shortcut_ && fold_repeat_shortcut(conv_, repeats_)) shortcut_ = false;
  const std::int64_t out = conv_.weight.size(0) / 4;
  conv_.weight = conv_.weight.unflatten(0, {out, 4})
                     .transpose(0, 1)
                     .flatten(0, 1)
                     .contiguous(at::MemoryFormat::ChannelsLast);
  conv_.bias = conv_.bias.view({out, 4}).t().reshape({-1});
}

at::Tensor UpBlock::operator()(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), height = x.size(2), width = x.size(3);
  at::Tensor y;
  if (shuffle_) {
    const auto wide = channels_last(conv_(x));
    const std::int64_t out = wide.size(3) / 4;
    y = wide.reshape({batch, height, width, 2, 2 * out})
            .transpose(2, 3)
            .reshape({batch, 2 * height, 2 * width, out});
    y = channels_first(y);
  } else {
    y = conv_(at::upsample_nearest2d(x, {2 * height, 2 * width}));
  }
  if (shortcut_) y = y + at::pixel_shuffle(x.repeat_interleave(repeats_, 1), 2);
  return y;
}

bool fold_repeat_shortcut(Conv2d& conv, std::int64_t repeats) {
  if (conv.weight.element_size() < 4) return false;
  const std::int64_t in = conv.weight.size(1);
  const auto ones = at::eye(in, conv.weight.options()).repeat_interleave(repeats, 0);
  conv.weight = conv.weight.clone();
  conv.weight.select(3, 1).select(2, 1).add_(ones);
  return true;
}

void add_stage(VaeBlocks& blocks, const Builder& builder, const std::string& name,
               const VaeStage& stage, std::int64_t head_dim, std::int64_t first) {
  for (std::int64_t i = 0; i < stage.layers; ++i) {
    const std::string at = name + "." + std::to_string(first + i);
    if (stage.efficient_vit)
      blocks.push_back(std::make_unique<EfficientVitBlock>(builder, at, stage, head_dim));
    else
      blocks.push_back(std::make_unique<ResBlock>(builder, at, stage));
  }
}

}  // namespace hn::sana
