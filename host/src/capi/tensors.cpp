#include "capi/tensors.hpp"

#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/cpp/tensor.hpp>
#include <numeric>

#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr std::int32_t kMostDimensions = HN_MAX_DIMS;
constexpr std::int64_t kMostNumbers = std::int64_t{1} << 40;  // of one tensor

using Shape = std::vector<std::int64_t>;

std::string text_of(const Shape& numbers) { return cat("[", absl::StrJoin(numbers, ","), "]"); }

// The shape that is wanted; -1 is any size.
std::string wanted_text(const Shape& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(size == -1 ? "*" : std::to_string(size));
  return cat("[", absl::StrJoin(sizes, ","), "]");
}

std::string text_of(DLDevice device) {
  if (device.device_type == kDLCPU) return "the CPU";
  if (device.device_type == kDLCUDA) return cat("cuda:", device.device_id);
  return cat("DLPack device type ", static_cast<int>(device.device_type));
}

std::string text_of(DLDataType type) {
  return type.lanes == 1 ? dtype_name(type) : cat(dtype_name(type), " of ", type.lanes, " lanes");
}

bool same_device(DLDevice a, DLDevice b) {
  return a.device_type == b.device_type && (a.device_type == kDLCPU || a.device_id == b.device_id);
}

bool fits(const Shape& got, const Shape& wanted) {
  return got.size() == wanted.size() &&
         std::equal(got.begin(), got.end(), wanted.begin(),
                    [](std::int64_t a, std::int64_t b) { return b == -1 ? a >= 1 : a == b; });
}

std::int64_t product(const Shape& shape) {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) {
    if (size == 0) return 0;
    n = n > kMostNumbers / size ? kMostNumbers + 1 : n * size;
  }
  return n;
}

// Two elements at one place; sizes and strides are not below 0.
bool overlaps(const Shape& shape, const Shape& strides) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] > 1) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return strides[a] < strides[b]; });
  std::int64_t reach = 0;  // of the dimensions so far, in elements
  for (const std::size_t i : order) {
    if (strides[i] <= reach) return true;
    reach += (shape[i] - 1) * strides[i];
  }
  return false;
}

}  // namespace

CallerTensor::CallerTensor(const DLTensor* given, const Shape& shape, DLDevice device, Use use,
                           const std::string& where) {
  if (given == nullptr) return;
  given_ = true;
  view_ = *given;
  const auto n = static_cast<std::size_t>(std::clamp(view_.ndim, 0, kMostDimensions));
  const bool has_shape =
      view_.ndim == static_cast<std::int32_t>(n) && (view_.shape != nullptr || view_.ndim == 0);
  if (has_shape && n > 0) shape_.assign(view_.shape, view_.shape + n);
  const bool floats = same_dtype(view_.dtype, kFloat32) && view_.dtype.lanes == 1;
  const DLDevice cpu{kDLCPU, 0};
  const bool here = same_device(view_.device, cpu) || same_device(view_.device, device);
  if (!has_shape || !floats || !here || !fits(shape_, shape)) {
    const std::string places =
        device.device_type == kDLCPU ? "the CPU" : cat("the CPU or ", text_of(device));
    throw Error(HN_INVALID_ARGUMENT,
                cat(where, ": expected float32 ", wanted_text(shape), " on ", places, ", got ",
                    text_of(view_.dtype), " ",
                    has_shape ? text_of(shape_) : cat(view_.ndim, " dimensions without a shape"),
                    " on ", text_of(view_.device)));
  }
  if (product(shape_) > kMostNumbers)
    throw Error(HN_INVALID_ARGUMENT,
                cat(where, ": expected at most 2^40 numbers, got ", text_of(shape_)));
  if (view_.strides != nullptr) {
    strides_.assign(view_.strides, view_.strides + n);
  } else {
    strides_.assign(n, 1);
    for (std::size_t i = n; i-- > 1;)
      strides_[i - 1] = strides_[i] * std::max<std::int64_t>(1, shape_[i]);
  }
  check_memory(use, where);
  view_.shape = shape_.data();
  view_.strides = strides_.data();
}

core::Tensor CallerTensor::copy() const {
  core::Tensor numbers{shape_, {}};
  const auto* base = data_of<const float>(view_);
  const auto count = static_cast<std::size_t>(product(shape_));
  numbers.data.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t offset = 0;
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t d = shape_.size(); d-- > 0; rest /= shape_[d])
      offset += rest % shape_[d] * strides_[d];
    numbers.data.push_back(base[offset]);
  }
  return numbers;
}

void CallerTensor::check_memory(Use use, const std::string& where) const {
  const auto refuse = [&](const std::string& text) {
    throw Error(HN_INVALID_ARGUMENT, cat(where, ": ", text));
  };
  if (product(shape_) == 0) return;
  if (view_.data == nullptr) refuse("expected data, got NULL");
  const auto address = reinterpret_cast<std::uintptr_t>(view_.data) + view_.byte_offset;
  if (address % alignof(float) != 0)
    refuse(cat("expected an address that is a multiple of ", alignof(float),
               ", got data and byte_offset that are not"));
  if (std::any_of(strides_.begin(), strides_.end(), [](std::int64_t s) { return s < 0; }))
    refuse(cat("expected strides of 0 or more, got ", text_of(strides_)));
  if (use == Use::kWritten && overlaps(shape_, strides_))
    refuse(cat("is written to: expected elements that do not overlap, got ", text_of(shape_),
               " with strides ", text_of(strides_)));
}

}  // namespace hn::host
