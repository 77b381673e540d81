#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/ops.hpp>

namespace hn {

at::ScalarType accumulate_type(at::ScalarType dtype) {
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    double eps) {
  const auto wide = x.to(accumulate_type(x.scalar_type()));
  auto y = wide * (wide.square().mean(-1, true) + eps).rsqrt();
  y = y.to(x.scalar_type());
  if (weight.defined()) y = y * weight;
  if (bias.defined()) y = y + bias;
  return y;
}

Activation find_activation(const std::string& name, const std::string& where) {
  if (name == "silu" || name == "swish") return [](const at::Tensor& x) { return at::silu(x); };
  if (name == "mish") return [](const at::Tensor& x) { return at::mish(x); };
  if (name == "gelu") return [](const at::Tensor& x) { return at::gelu(x); };
  if (name == "relu") return [](const at::Tensor& x) { return at::relu(x); };
  if (name == "gelu_pytorch_tanh") return [](const at::Tensor& x) { return at::gelu(x, "tanh"); };
  throw Error(HN_UNSUPPORTED,
              where + ": expected silu, swish, mish, gelu, relu or gelu_pytorch_tanh, got \"" +
                  name + "\"");
}

}  // namespace hn
