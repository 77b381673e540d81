#include "core/constant_net.hpp"

#include <ATen/ATen.h>

namespace hn::core {
namespace {

struct ConstantPass final : NoiseNet::Pass {
  explicit ConstantPass(const at::Tensor& gradient) : gradient_(gradient) {}
  void backward(const at::Tensor& delta_grad, bool add) override {
    const at::Tensor sum = delta_grad.sum(0);
    if (add)
      gradient_.add_(sum);
    else
      gradient_.copy_(sum);
  }
  void noise_backward(const at::Tensor&, const at::Tensor& x0_grad) override { x0_grad.zero_(); }

 private:
  at::Tensor gradient_;
};

}  // namespace

std::vector<Parameter> constant_parameters(const std::vector<std::int64_t>& noise_shape) {
  return {{kOffsetName, noise_shape}};
}

std::unique_ptr<NoiseNet::Pass> ConstantNet::forward(const at::Tensor& /*x0*/, Handles /*handles*/,
                                                     const at::Tensor& delta, bool keep) {
  delta.copy_(adapter_.matrices()[0].value.expand_as(delta));
  if (!keep) return nullptr;
  return std::make_unique<ConstantPass>(adapter_.matrices()[0].gradient);
}

}  // namespace hn::core
