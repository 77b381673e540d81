// The gated inverted bottleneck with a depthwise 3x3 convolution, feed-forward of the transformer
// and of the VAE's EfficientViT blocks.
//
// Source: diffusers 0.42.1, models/transformers/sana_transformer.py, GLUMBConv.
#pragma once

#include <hn/nn/lora.hpp>

namespace hn::sana {

class GluMbConv {
 public:
  GluMbConv() = default;
  // `normed`: an RMS norm (eps 1e-5, with bias) on the output, as the VAE has it.
  GluMbConv(const Builder& builder, const std::string& name, std::int64_t channels,
            double expand_ratio, bool normed);

  // x: [B, H, W, C], channels last in the shape too, so that the 1x1 convolutions are plain matrix
  // products and no layout changes are needed. Returns the same shape; `residual` is added where it
  // is defined.
  at::Tensor operator()(const at::Tensor& x, const LoraSet& lora = {},
                        const at::Tensor& residual = {}) const;

 private:
  Conv2d inverted_, depth_, point_;
  at::Tensor norm_weight_, norm_bias_;
  bool normed_ = false;
};

}  // namespace hn::sana
