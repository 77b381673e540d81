// float32 in host memory as DLTensor views, for tests of the boundary's either side.
#pragma once

#include <hn/dlpack.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace hn::test {

inline std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

inline std::int64_t number_of(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

// Borrows all three. strides NULL: compact, as DLPack before 1.2 had it.
inline DLTensor float_view(float* data, std::vector<std::int64_t>& shape, std::int64_t* strides) {
  DLTensor view{};
  view.data = data;
  view.device = {kDLCPU, 0};
  view.ndim = static_cast<std::int32_t>(shape.size());
  view.dtype = {kDLFloat, 32, 1};
  view.shape = shape.data();
  view.strides = strides;
  return view;
}

// Numbers of one's own with their view, which stays at its place.
struct Floats {
  std::vector<std::int64_t> shape, strides;
  std::vector<float> data;
  DLTensor tensor{};

  // Compact, strides NULL.
  explicit Floats(std::vector<std::int64_t> sizes, float value = -1)
      : shape(std::move(sizes)), data(static_cast<std::size_t>(number_of(shape)), value) {
    tensor = float_view(data.data(), shape, nullptr);
  }
  // With strides; as many values as these reach.
  Floats(std::vector<std::int64_t> sizes, std::vector<std::int64_t> steps,
         std::vector<float> values)
      : shape(std::move(sizes)), strides(std::move(steps)), data(std::move(values)) {
    tensor = float_view(data.data(), shape, strides.data());
  }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
};

}  // namespace hn::test
