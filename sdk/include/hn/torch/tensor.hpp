// at::Tensor <-> DLTensor without copying.
#pragma once

#include <ATen/ATen.h>

#include <hn/cpp/tensor.hpp>

namespace hn {

// HN_UNSUPPORTED for a dtype that LibTorch's tensors of this SDK do not carry.
inline at::ScalarType scalar_type_of(DLDataType t) {
  if (t.lanes == 1) {
    if (same_dtype(t, kFloat32)) return at::kFloat;
    if (same_dtype(t, kFloat64)) return at::kDouble;
    if (same_dtype(t, kFloat16)) return at::kHalf;
    if (same_dtype(t, kBFloat16)) return at::kBFloat16;
    if (same_dtype(t, kInt64)) return at::kLong;
    if (t.code == kDLInt && t.bits == 32) return at::kInt;
    if (t.code == kDLUInt && t.bits == 8) return at::kByte;
    if (t.code == kDLBool && t.bits == 8) return at::kBool;
  }
  throw Error(HN_UNSUPPORTED, "[tensor] dtype " + dtype_name(t) + " is not supported");
}

inline DLDataType dtype_of(at::ScalarType t) {
  switch (t) {
    case at::kFloat: return kFloat32;
    case at::kDouble: return kFloat64;
    case at::kHalf: return kFloat16;
    case at::kBFloat16: return kBFloat16;
    case at::kLong: return kInt64;
    case at::kInt: return {kDLInt, 32, 1};
    case at::kByte: return {kDLUInt, 8, 1};
    case at::kBool: return {kDLBool, 8, 1};
    default:
      throw Error(HN_UNSUPPORTED,
                  std::string("[tensor] dtype ") + at::toString(t) + " does not cross the ABI");
  }
}

inline at::Device device_of(DLDevice d) {
  if (d.device_type == kDLCPU || d.device_type == kDLCUDAHost) return at::kCPU;
  if (d.device_type == kDLCUDA || d.device_type == kDLCUDAManaged)
    return {at::kCUDA, static_cast<at::DeviceIndex>(d.device_id)};
  throw Error(HN_UNSUPPORTED,
              "[tensor] DLPack device type " + std::to_string(d.device_type) + " is not supported");
}

inline DLDevice dl_device(at::Device device) {
  if (device.is_cuda()) return {kDLCUDA, device.index()};
  return {kDLCPU, 0};
}

// A view of borrowed memory: valid as long as the DLTensor's data is.
inline at::Tensor tensor_view(const DLTensor& t) {
  const auto n = static_cast<std::size_t>(t.ndim);
  const auto options =
      at::TensorOptions().dtype(scalar_type_of(t.dtype)).device(device_of(t.device));
  if (element_count(t) == 0) return at::empty(at::IntArrayRef(t.shape, n), options);
  return at::from_blob(data_of<void>(t), at::IntArrayRef(t.shape, n), at::IntArrayRef(t.strides, n),
                       options);
}

// A DLTensor whose data, shape and strides point into the tensor: keep the tensor alive and
// unresized.
inline DLTensor borrow(const at::Tensor& t) {
  DLTensor d{};
  d.data = t.data_ptr();
  d.device = dl_device(t.device());
  d.ndim = static_cast<std::int32_t>(t.dim());
  d.dtype = dtype_of(t.scalar_type());
  d.shape = const_cast<std::int64_t*>(t.sizes().data());
  d.strides = const_cast<std::int64_t*>(t.strides().data());
  return d;
}

}  // namespace hn
