#include "core/shared_resize.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <hn/nn/image_ops.hpp>

namespace hn::core {
namespace {

at::Tensor resize(const at::Tensor& image, std::int64_t edge) {
  const auto [height, width] = short_edge_size(image.size(2), image.size(3), edge);
  return center_crop(resize_antialias(image, height, width, ResizeFilter::kBicubic), edge, edge,
                     CropRounding::kHalfToEven);
}

}  // namespace

SharedResize::SharedResize(const at::Tensor& image, std::int64_t edge)
    : image_(image), resized_(resize(image, edge).contiguous()), edge_(edge) {}

const at::Tensor& SharedResize::gradient() {
  if (!gradient_.defined()) gradient_ = at::zeros_like(resized_);
  return gradient_;
}

at::Tensor SharedResize::backward() const {
  const c10::AutoGradMode grad(true);
  // The map is linear, so its derivative does not depend on the picture; only its shape is used.
  const at::Tensor image = image_.detach().requires_grad_();
  return torch::autograd::grad({resize(image, edge_)}, {image}, {gradient_})[0];
}

}  // namespace hn::core
