#include "validate/buffer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <hn/cpp/tensor.hpp>
#include <limits>
#include <new>

namespace hn::validate {
namespace {

constexpr std::size_t kGuardBytes = 256;
constexpr std::byte kGuard{0xA5};
constexpr std::uint64_t kOddOffset = 12;

}  // namespace

std::size_t element_count_of(std::span<const std::int64_t> shape) {
  std::size_t n = 1;
  for (const std::int64_t d : shape) n *= static_cast<std::size_t>(d);
  return n;
}

void Buffer::Free::operator()(std::byte* p) const noexcept { std::free(p); }

Buffer::Buffer(std::vector<std::int64_t> shape, Layout layout)
    : shape_(std::move(shape)), strides_(shape_.size()), view_shape_(shape_) {
  count_ = element_count_of(shape_);
  const std::size_t n = shape_.size();
  std::int64_t extent = 1;  // in elements
  if (layout == Layout::kPlain) {
    for (std::size_t d = n; d-- > 0;) {
      strides_[d] = extent;
      extent *= std::max<std::int64_t>(shape_[d], 1);
    }
  } else {
    extent = 2;
    for (std::size_t d = 0; d < n; ++d) {
      strides_[d] = extent;
      extent = extent * std::max<std::int64_t>(shape_[d], 1) + 1;
    }
  }
  const std::uint64_t offset = layout == Layout::kOdd ? kOddOffset : 0;
  first_ = kGuardBytes + offset;
  bytes_ = first_ + static_cast<std::size_t>(extent) * sizeof(float) + kGuardBytes;
  bytes_ = (bytes_ + 255) / 256 * 256;
  // DLPack asks for data aligned to 256 bytes.
  storage_.reset(static_cast<std::byte*>(std::aligned_alloc(256, bytes_)));
  if (!storage_) throw std::bad_alloc();
  std::fill_n(storage_.get(), bytes_, kGuard);
  owned_.assign(bytes_, false);
  for (std::size_t i = 0; i < count_; ++i)
    for (std::size_t k = 0; k < sizeof(float); ++k) owned_[byte_of(i) + k] = true;
  view_.data = storage_.get() + kGuardBytes;
  view_.device = {kDLCPU, 0};
  view_.ndim = static_cast<std::int32_t>(n);
  view_.dtype = kFloat32;
  view_.shape = view_shape_.data();
  view_.strides = strides_.data();
  view_.byte_offset = offset;
  write(std::vector<float>(count_, std::numeric_limits<float>::quiet_NaN()));
}

std::size_t Buffer::byte_of(std::size_t element) const {
  std::int64_t at = 0;
  for (std::size_t d = shape_.size(); d-- > 0;) {
    const auto size = static_cast<std::size_t>(shape_[d]);
    at += static_cast<std::int64_t>(element % size) * strides_[d];
    element /= size;
  }
  return first_ + static_cast<std::size_t>(at) * sizeof(float);
}

void Buffer::write(std::span<const float> values) {
  for (std::size_t i = 0; i < count_; ++i)
    std::memcpy(storage_.get() + byte_of(i), &values[i], sizeof(float));
}

std::vector<float> Buffer::read() const {
  std::vector<float> values(count_);
  for (std::size_t i = 0; i < count_; ++i)
    std::memcpy(&values[i], storage_.get() + byte_of(i), sizeof(float));
  return values;
}

std::optional<std::string> Buffer::damage() const {
  for (std::size_t i = 0; i < bytes_; ++i) {
    if (owned_[i] || storage_[i] == kGuard) continue;
    const auto at = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(first_);
    return "byte " + std::to_string(at) + " relative to the first element";
  }
  return std::nullopt;
}

std::uint64_t Random::next() {
  state_ += 0x9E3779B97F4A7C15ull;  // splitmix64
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Random::normal() {
  const double u = 1.0 - uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * uniform());
}

std::vector<float> Random::normals(std::size_t n, double scale) {
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(scale * normal());
  return values;
}

}  // namespace hn::validate
