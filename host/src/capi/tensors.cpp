#include "capi/tensors.hpp"

#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "support/cat.hpp"

namespace hn::host {
namespace {

std::string shape_text(const std::int64_t* shape, std::size_t n) {
  return cat("[", absl::StrJoin(shape, shape + n, ","), "]");
}

// Calls body(index in row-major order, address) for every element.
template <class Body>
void for_each(const DLTensor& tensor, const Body& body) {
  auto* base = reinterpret_cast<float*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
  const auto n = static_cast<std::size_t>(tensor.ndim);
  std::vector<std::int64_t> strides(n, 1), at(n, 0);
  for (std::size_t i = n; i-- > 1;) strides[i - 1] = strides[i] * tensor.shape[i];
  if (tensor.strides != nullptr) strides.assign(tensor.strides, tensor.strides + n);
  std::size_t count = 1;
  for (std::size_t i = 0; i < n; ++i) count *= static_cast<std::size_t>(tensor.shape[i]);
  std::int64_t offset = 0;
  for (std::size_t index = 0; index < count; ++index) {
    body(index, base + offset);
    for (std::size_t i = n; i-- > 0;) {
      offset += strides[i];
      if (++at[i] < tensor.shape[i]) break;
      offset -= at[i] * strides[i];
      at[i] = 0;
    }
  }
}

}  // namespace

void check_tensor(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                  const std::string& where) {
  const bool cpu = tensor.device.device_type == kDLCPU;
  const bool floats =
      tensor.dtype.code == kDLFloat && tensor.dtype.bits == 32 && tensor.dtype.lanes == 1;
  const bool same = tensor.ndim == static_cast<std::int32_t>(shape.size()) &&
                    (shape.empty() || (tensor.shape != nullptr &&
                                       std::equal(shape.begin(), shape.end(), tensor.shape)));
  if (cpu && floats && same &&
      (tensor.data != nullptr || std::count(shape.begin(), shape.end(), 0)))
    return;
  const std::string got = tensor.ndim >= 0 && tensor.shape != nullptr
                              ? shape_text(tensor.shape, static_cast<std::size_t>(tensor.ndim))
                              : "no shape";
  throw Error(HN_INVALID_ARGUMENT,
              cat("[", where, "] expected float32 ", shape_text(shape.data(), shape.size()),
                  " on the CPU, got ", floats ? "float32 " : "another dtype, ", got,
                  cpu ? "" : " on another device", tensor.data == nullptr ? " without data" : ""));
}

core::Tensor read_tensor(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                         const std::string& where) {
  check_tensor(tensor, shape, where);
  core::Tensor copy{shape, {}};
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  copy.data.resize(count);
  for_each(tensor, [&](std::size_t i, const float* value) { copy.data[i] = *value; });
  return copy;
}

void write_tensor(const std::vector<float>& data, const DLTensor& tensor) {
  for_each(tensor, [&](std::size_t i, float* value) { *value = data.at(i); });
}

}  // namespace hn::host
