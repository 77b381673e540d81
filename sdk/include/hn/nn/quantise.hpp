// Weight-only quantisation of frozen weights: a byte a number and one float32 scale an output
// channel, turned back into the computation's type at each use.
//
// Symmetric: w[o, ...] is about scale[o] * code[o, ...], scale[o] = max|w[o, ...]| / most, most =
// 127 for int8 (rounded to the nearest, ties to even) and 448 for fp8 (e4m3, finite, its own
// rounding). The products' gradients by their inputs go through the same dense weight; the graph
// keeps only the codes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/cpp/config.hpp>
#include <string>

namespace hn {

enum class Quantise { kNone, kInt8, kFp8 };

// Option `quantise`: "none" (default), "int8" or "fp8". HN_INVALID_ARGUMENT lists them.
Quantise quantise_option(const Config& config);
const char* quantise_name(Quantise kind);

class QuantisedWeight {
 public:
  QuantisedWeight() = default;
  // weight: [out, ...] of any floating-point type, on any device; codes and scales come to lie on
  // `device`, dense() is of type `dtype`.
  QuantisedWeight(const at::Tensor& weight, Quantise kind, at::ScalarType dtype, at::Device device);

  bool defined() const { return codes_.defined(); }
  at::IntArrayRef sizes() const { return codes_.sizes(); }
  at::TensorOptions options() const { return codes_.options().dtype(dtype_); }  // of dense()
  std::uint64_t nbytes() const { return codes_.nbytes() + scale_.nbytes(); }
  // The weight that the codes stand for: a fresh tensor.
  at::Tensor dense() const;
  // The same weight, seen as a matrix [out, everything else].
  QuantisedWeight matrix() const;

  // x W^T + bias on the last dimension; W is two-dimensional, bias may be undefined and gets no
  // gradient. Differentiable in x.
  at::Tensor linear(const at::Tensor& x, const at::Tensor& bias) const;
  // A convolution with dilation 1. x: [B, C, H, W]. Differentiable in x.
  at::Tensor conv2d(const at::Tensor& x, const at::Tensor& bias, std::int64_t stride,
                    std::int64_t padding, std::int64_t groups) const;

 private:
  at::Tensor codes_, scale_;  // int8 or float8_e4m3fn [out, ...]; float32 [out, 1, ...]
  at::ScalarType dtype_ = at::kFloat;
};

// What quantisation did to the weights of one component.
struct QuantiseReport {
  std::int64_t tensors = 0;
  double sum_error = 0, max_error = 0;     // of |w - dense| / |w|, Euclidean, one a tensor
  std::uint64_t bytes = 0, old_bytes = 0;  // with scales; in the computation's type

  // Compares a weight with what became of it.
  void add(const at::Tensor& weight, const QuantisedWeight& quantised, at::ScalarType dtype);
  // "28 weights as int8: error 0.4 % (mean), 0.6 % (most), 1.2 MB instead of 4.7 MB".
  std::string text(Quantise kind) const;
};

}  // namespace hn
