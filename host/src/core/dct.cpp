#include "core/dct.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace hn::core {

at::Tensor dct_rows(std::int64_t count, std::int64_t size, const at::TensorOptions& options) {
  at::Tensor rows = at::empty({count, size}, at::kDouble);
  auto* value = rows.data_ptr<double>();
  const auto n = static_cast<double>(size);
  for (std::int64_t u = 0; u < count; ++u) {
    const double scale = std::sqrt((u == 0 ? 1.0 : 2.0) / n);
    for (std::int64_t i = 0; i < size; ++i)
      *value++ =
          scale * std::cos(std::numbers::pi * static_cast<double>((2 * i + 1) * u) / (2 * n));
  }
  return rows.to(options);
}

LowFrequencies::LowFrequencies(std::int64_t count, std::int64_t height, std::int64_t width,
                               const at::TensorOptions& options)
    : rows_(dct_rows(count, height, options)), columns_(dct_rows(count, width, options)) {}

at::Tensor LowFrequencies::coefficients(const at::Tensor& pictures) const {
  return at::matmul(at::matmul(rows_, pictures), columns_.t());
}

at::Tensor LowFrequencies::pictures(const at::Tensor& coefficients) const {
  return at::matmul(at::matmul(rows_.t(), coefficients), columns_);
}

}  // namespace hn::core
