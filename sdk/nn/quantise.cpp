#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <hn/cpp/error.hpp>
#include <hn/nn/model_options.hpp>
#include <hn/nn/quantise.hpp>
#include <vector>

namespace hn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Optional = std::optional<at::Tensor>;  // Function::apply takes no undefined tensors

constexpr double kMostInt8 = 127, kMostFp8 = 448;

at::Tensor dense_weight(const at::Tensor& codes, const at::Tensor& scale, at::ScalarType dtype) {
  // The product in float32: a scale rounded to bfloat16 first would be an error of its own.
  if (dtype == at::kFloat) return codes.to(at::kFloat).mul_(scale);
  return codes.to(at::kFloat).mul_(scale).to(dtype);
}

Optional given(const at::Tensor& x) { return x.defined() ? Optional(x) : std::nullopt; }

struct Product : torch::autograd::Function<Product> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& codes,
                            const at::Tensor& scale, const Optional& bias) {
    context->save_for_backward({codes, scale});
    return at::linear(x, dense_weight(codes, scale, x.scalar_type()), bias);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    return {
        at::matmul(grads[0], dense_weight(saved[0], saved[1], grads[0].scalar_type())), {}, {}, {}};
  }
};

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& codes,
                            const at::Tensor& scale, const Optional& bias, std::int64_t stride,
                            std::int64_t padding, std::int64_t groups) {
    context->save_for_backward({codes, scale});
    context->saved_data["sizes"] = x.sizes().vec();
    context->saved_data["last"] = x.is_contiguous(at::MemoryFormat::ChannelsLast);
    context->saved_data["settings"] = std::vector<std::int64_t>{stride, padding, groups};
    return at::conv2d(x, weight(codes, scale, x), bias, stride, padding, 1, groups);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const auto settings = context->saved_data["settings"].toIntVector();
    const bool last = context->saved_data["last"].toBool();
    // Only the input's shape and layout matter to the gradient by the input.
    const auto like =
        at::empty(sizes, grads[0].options(),
                  last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
    const auto gx = std::get<0>(at::convolution_backward(
        grads[0], like, weight(saved[0], saved[1], like), std::nullopt, {settings[0], settings[0]},
        {settings[1], settings[1]}, {1, 1}, /*transposed=*/false, {0, 0}, settings[2],
        std::array<bool, 3>{true, false, false}));
    return {gx, {}, {}, {}, {}, {}, {}};
  }

 private:
  static at::Tensor weight(const at::Tensor& codes, const at::Tensor& scale, const at::Tensor& x) {
    return dense_weight(codes, scale, x.scalar_type());
  }
};

}  // namespace

Quantise quantise_option(const Config& config) {
  const std::string name = choice_option(config, "quantise", {"none", "int8", "fp8"});
  return name == "int8" ? Quantise::kInt8 : name == "fp8" ? Quantise::kFp8 : Quantise::kNone;
}

const char* quantise_name(Quantise kind) {
  return kind == Quantise::kInt8 ? "int8" : kind == Quantise::kFp8 ? "fp8" : "none";
}

QuantisedWeight::QuantisedWeight(const at::Tensor& weight, Quantise kind, at::ScalarType dtype,
                                 at::Device device)
    : dtype_(dtype) {
  const bool integer = kind == Quantise::kInt8;
  // On the device from here on: a graphics card is faster at this, and nothing is copied twice.
  const auto wide = weight.to(device).to(at::kFloat);
  auto shape = std::vector<std::int64_t>(static_cast<std::size_t>(weight.dim()), 1);
  shape[0] = weight.size(0);
  const auto most = wide.flatten(1).abs().amax(1).view(shape);
  // A channel of zeros keeps the scale 1, so that nothing is divided by 0.
  const auto scale = at::where(most > 0, most / (integer ? kMostInt8 : kMostFp8), 1.0);
  auto codes = wide / scale;
  codes = integer ? codes.round_().to(at::kChar) : codes.to(at::kFloat8_e4m3fn);
  codes_ = codes;
  scale_ = scale;
}

at::Tensor QuantisedWeight::dense() const { return dense_weight(codes_, scale_, dtype_); }

QuantisedWeight QuantisedWeight::matrix() const {
  QuantisedWeight flat = *this;
  flat.codes_ = codes_.flatten(1);
  flat.scale_ = scale_.flatten(1);
  return flat;
}

at::Tensor QuantisedWeight::linear(const at::Tensor& x, const at::Tensor& bias) const {
  return Product::apply(x, codes_, scale_, given(bias));
}

at::Tensor QuantisedWeight::conv2d(const at::Tensor& x, const at::Tensor& bias, std::int64_t stride,
                                   std::int64_t padding, std::int64_t groups) const {
  return Convolution::apply(x, codes_, scale_, given(bias), stride, padding, groups);
}

void QuantiseReport::add(const at::Tensor& weight, const QuantisedWeight& quantised,
                         at::ScalarType dtype) {
  const auto back = quantised.dense();
  const auto wide = weight.to(back.device()).to(at::kFloat);
  const double norm = wide.norm().item<double>();
  const double off = (wide - back).norm().item<double>();
  const double error = norm > 0 ? off / norm : off;
  ++tensors;
  sum_error += error;
  max_error = std::max(max_error, error);
  bytes += quantised.nbytes();
  old_bytes += static_cast<std::uint64_t>(weight.numel()) * c10::elementSize(dtype);
}

std::string QuantiseReport::text(Quantise kind) const {
  char line[200];
  const double count = static_cast<double>(std::max<std::int64_t>(tensors, 1));
  std::snprintf(line, sizeof line,
                "%lld weights as %s: error %.2g %% (mean), %.2g %% (most), %.1f MB instead of %.1f "
                "MB",
                static_cast<long long>(tensors), quantise_name(kind), 100 * sum_error / count,
                100 * max_error, static_cast<double>(bytes) / 1e6,
                static_cast<double>(old_bytes) / 1e6);
  return line;
}

}  // namespace hn
