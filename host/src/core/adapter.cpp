#include "core/adapter.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/finite.hpp"
#include "core/random.hpp"

namespace hn::core {
namespace {

constexpr std::int64_t kAlignment = 16;  // floats: 64 bytes, a cache line and an AVX-512 register

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

std::string_view path_of(std::string_view name) {
  const std::size_t end = name.rfind(".lora_");
  return end == std::string_view::npos ? name : name.substr(0, end);
}

}  // namespace

std::vector<Parameter> lora_parameters(const FunctionClient& fn) {
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < fn.inputs().size(); ++i) {
    const Slot& slot = fn.inputs()[i];
    if (!slot.param()) continue;
    if (slot.dtype != at::kFloat || slot.grad_dtype != at::kFloat || !slot.diff() ||
        std::any_of(slot.shape.begin(), slot.shape.end(), [](std::int64_t d) { return d < 0; }) ||
        (slot.semantic != "lora_a" && slot.semantic != "lora_b"))
      throw Error(HN_UNSUPPORTED,
                  fn.instance().name() + ": " + fn.name() + ": expected parameter '" + slot.name +
                      "' as lora_a or lora_b, float32, differentiable, of a fixed shape");
    const std::int64_t n = elements(slot.shape);
    const bool drawn = slot.semantic == "lora_a" && n > 0;
    const float fan_in = drawn ? static_cast<float>(n / slot.shape[0]) : 1.0f;
    parameters.push_back({slot.name, slot.shape, drawn ? 1.0f / std::sqrt(fan_in) : 0.0f, i});
  }
  if (parameters.empty())
    throw Error(HN_UNSUPPORTED, fn.instance().name() + ": " + fn.name() +
                                    " carries no adapters (no parameter slots)");
  std::sort(parameters.begin(), parameters.end(),
            [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  return parameters;
}

Adapter::Adapter(const std::vector<Parameter>& parameters, const NetSpec& net, std::uint64_t seed,
                 at::Device device, std::string base_model)
    : net_(net), base_model_(std::move(base_model)) {
  const auto aligned = [](std::int64_t n) {
    return (n + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::int64_t total = 0;
  for (const Parameter& each : parameters) {
    total += aligned(elements(each.shape));
    count_ += static_cast<std::uint64_t>(elements(each.shape));
  }
  const at::Tensor initial = at::zeros({total}, at::kFloat);
  values_ = at::empty({total}, at::TensorOptions(at::kFloat).device(device));
  gradients_ = at::zeros_like(values_);
  std::int64_t offset = 0;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    const Parameter& each = parameters[k];
    const std::int64_t n = elements(each.shape);
    if (each.bound > 0)
      fill_uniform({initial.data_ptr<float>() + offset, static_cast<std::size_t>(n)}, each.bound,
                   seed, Stream::kAdapterInit, k);
    const auto view_of = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, n).view(each.shape);
    };
    matrices_.push_back({each.name, each.input, view_of(values_), view_of(gradients_)});
    offset += aligned(n);
  }
  values_.copy_(initial);
}

at::Tensor Adapter::part(const at::Tensor& flat, const Matrix& matrix) const {
  return flat.narrow(0, matrix.value.storage_offset(), matrix.value.numel())
      .view(matrix.value.sizes());
}

void require_finite(const Adapter& adapter, const std::string& consequence) {
  if (not_finite(adapter.values()).empty()) return;
  for (const Adapter::Matrix& matrix : adapter.matrices())
    if (const std::string bad = not_finite(matrix.value); !bad.empty())
      throw Error(HN_DATA_LOSS,
                  "[adapter] " + matrix.name + " is not finite: " + bad + "; " + consequence);
}

std::vector<std::string> Adapter::paths() const {
  std::vector<std::string> paths;
  for (const Matrix& matrix : matrices_) paths.emplace_back(path_of(matrix.name));
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

}  // namespace hn::core
