#include "glumbconv.hpp"

#include <ATen/ATen.h>

#include <hn/nn/fused.hpp>

namespace hn::sana {

GluMbConv::GluMbConv(const Builder& builder, const std::string& name, std::int64_t channels,
                     double expand_ratio, bool normed)
    : normed_(normed) {
  const auto hidden = static_cast<std::int64_t>(expand_ratio * static_cast<double>(channels));
  inverted_ = Conv2d(builder, name + ".conv_inverted", channels, hidden * 2, 1, 1, 0, 1, true);
  depth_ = Conv2d(builder, name + ".conv_depth", hidden * 2, hidden * 2, 3, 1, 1, hidden * 2, true);
  point_ = Conv2d(builder, name + ".conv_point", hidden, channels, 1, 1, 0, 1, false);
  if (normed) {
    norm_weight_ = builder.weights.take(name + ".norm.weight", {channels});
    norm_bias_ = builder.weights.take(name + ".norm.bias", {channels});
  }
}

at::Tensor GluMbConv::operator()(const at::Tensor& x, const LoraSet& lora,
                                 const at::Tensor& residual) const {
  const auto wide = at::silu(inverted_.on_patches(x, lora));
  // [B,H,W,C] seen as NCHW is the channels_last layout, which the depthwise convolution keeps.
  const auto mixed = depth_(wide.permute({0, 3, 1, 2}), lora).permute({0, 2, 3, 1});
  const auto y = point_.on_patches(fused_gated_silu(mixed), lora);
  if (normed_) return fused_rms_norm(y, norm_weight_, norm_bias_, 1e-5, residual);
  return residual.defined() ? y + residual : y;
}

}  // namespace hn::sana
