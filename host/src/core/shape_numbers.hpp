// How many numbers a shape holds, as the formulas of numerics.md take it.
#pragma once

#include <cstdint>
#include <vector>

namespace hn::core {

inline double shape_numbers(const std::vector<std::int64_t>& shape) {
  double numbers = 1;
  for (const std::int64_t size : shape) numbers *= static_cast<double>(size);
  return numbers;
}

}  // namespace hn::core
