// Float32 tensors for the boundary, with guard bytes round every element that is not the tensor's.
#pragma once

#include <hn/tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hn::validate {

enum class Layout {
  kPlain,  // contiguous, byte_offset 0
  kOdd,    // dimensions in reverse order with gaps between elements and rows, byte_offset 12
};

class Buffer {
 public:
  // Elements start as NaN, so that one that was never written is seen.
  explicit Buffer(std::vector<std::int64_t> shape, Layout layout = Layout::kPlain);
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void write(std::span<const float> values);  // in logical (row-major) order
  std::vector<float> read() const;
  const DLTensor* view() const { return &view_; }
  // For spoiling the view (its shape is a copy); the elements stay.
  DLTensor& edit() { return view_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::size_t count() const { return count_; }

  // The first guard byte that was changed, as text; nothing when all are whole.
  std::optional<std::string> damage() const;

 private:
  std::size_t byte_of(std::size_t element) const;

  struct Free {
    void operator()(std::byte* p) const noexcept;
  };
  std::vector<std::int64_t> shape_, strides_, view_shape_;
  std::size_t count_ = 0, bytes_ = 0, first_ = 0;  // first_: byte of element 0
  std::unique_ptr<std::byte[], Free> storage_;
  std::vector<bool> owned_;  // per byte: belongs to an element
  DLTensor view_{};
};

// Draws that depend on the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 0x1234567ull) {}
  double uniform();  // [0,1)
  double normal();
  std::vector<float> normals(std::size_t n, double scale = 1);

 private:
  std::uint64_t next();
  std::uint64_t state_;
};

std::size_t element_count_of(std::span<const std::int64_t> shape);

}  // namespace hn::validate
