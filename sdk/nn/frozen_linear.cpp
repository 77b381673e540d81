#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>

#include <hn/nn/frozen_linear.hpp>
#include <optional>
#include <string_view>

namespace hn {
namespace {

using Product = at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                           const std::optional<at::Tensor>& bias, std::string_view activation,
                           c10::List<std::optional<at::Scalar>> arguments,
                           std::optional<std::string_view> algorithm);

// LibTorch has it under a private name; a build without oneDNN has none.
std::optional<c10::TypedOperatorHandle<Product>> find_product() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
  return found->typed<Product>();
}

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  static const auto product = find_product();
  const bool keeps_graph =
      c10::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  const auto takes = [](const at::Tensor& t) {
    return t.scalar_type() == at::kFloat && t.device().is_cpu();
  };
  if (!product || keeps_graph || !takes(x) || !takes(weight) || x.numel() == 0 ||
      !weight.is_contiguous())
    return at::linear(x, weight, bias);
  return product->call(x.contiguous(), weight, bias.defined() ? std::optional(bias) : std::nullopt,
                       "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

}  // namespace hn
