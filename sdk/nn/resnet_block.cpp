#include <ATen/ATen.h>

#include <hn/nn/resnet_block.hpp>

namespace hn {

GroupNorm::GroupNorm(const Builder& builder, const std::string& name, std::int64_t groups,
                     std::int64_t channels, double eps)
    : weight_(builder.weights.take(name + ".weight", {channels})),
      bias_(builder.weights.take(name + ".bias", {channels})),
      groups_(groups),
      eps_(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups_, weight_, bias_, eps_);
}

ResnetBlock::ResnetBlock(const Builder& builder, const std::string& name, std::int64_t in,
                         std::int64_t out, const ResnetOptions& options)
    : options_(options),
      norm1_(builder, name + ".norm1", options.groups, in, options.eps),
      norm2_(builder, name + ".norm2", options.groups, out, options.eps),
      conv1_(builder, name + ".conv1", in, out, 3, 1, 1, 1, true),
      has_shortcut_(in != out) {
  if (options.time_channels > 0)
    time_ = Linear(builder, name + ".time_emb_proj", options.time_channels,
                   options.time_scale_shift ? 2 * out : out, true);
  conv2_ = Conv2d(builder, name + ".conv2", out, out, 3, 1, 1, 1, true);
  if (has_shortcut_)
    shortcut_ = Conv2d(builder, name + ".conv_shortcut", in, out, 1, 1, 0, 1, true);
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, const at::Tensor& time,
                                   const LoraSet& lora) const {
  auto h = conv1_(options_.activation(norm1_(x)), lora);
  if (options_.time_channels > 0) {
    const auto t = time_(time, lora).unsqueeze(-1).unsqueeze(-1);
    if (options_.time_scale_shift) {
      const auto parts = t.chunk(2, 1);
      h = at::addcmul(parts[1], norm2_(h), 1 + parts[0]);
    } else {
      h = norm2_(h + t);
    }
  } else {
    h = norm2_(h);
  }
  h = conv2_(options_.activation(h), lora);
  h = (has_shortcut_ ? shortcut_(x, lora) : x) + h;
  return options_.output_scale == 1 ? h : h / options_.output_scale;
}

Downsample::Downsample(const Builder& builder, const std::string& name, std::int64_t channels,
                       std::int64_t padding)
    : conv_(builder, name + ".conv", channels, channels, 3, 2, padding, 1, true),
      pad_(padding == 0) {}

at::Tensor Downsample::operator()(const at::Tensor& x, const LoraSet& lora) const {
  return conv_(pad_ ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x, lora);
}

Upsample::Upsample(const Builder& builder, const std::string& name, std::int64_t channels)
    : conv_(builder, name + ".conv", channels, channels, 3, 1, 1, 1, true) {}

at::Tensor Upsample::operator()(const at::Tensor& x, const LoraSet& lora) const {
  return (*this)(x, 2 * x.size(2), 2 * x.size(3), lora);
}

at::Tensor Upsample::operator()(const at::Tensor& x, std::int64_t height, std::int64_t width,
                                const LoraSet& lora) const {
  return conv_(at::upsample_nearest2d(x, {height, width}), lora);
}

}  // namespace hn
