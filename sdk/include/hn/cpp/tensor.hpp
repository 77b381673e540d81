// Reading DLTensor views: element types, shapes as text, addresses.
#pragma once

#include <hn/tensor.h>

#include <cstdint>
#include <hn/cpp/error.hpp>
#include <span>
#include <string>

namespace hn {

inline constexpr DLDataType kFloat32{kDLFloat, 32, 1};
inline constexpr DLDataType kFloat64{kDLFloat, 64, 1};
inline constexpr DLDataType kFloat16{kDLFloat, 16, 1};
inline constexpr DLDataType kBFloat16{kDLBfloat, 16, 1};
inline constexpr DLDataType kInt64{kDLInt, 64, 1};

inline bool same_dtype(DLDataType a, DLDataType b) noexcept {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

inline std::string dtype_name(DLDataType t) {
  const char* kind = t.code == kDLFloat    ? "float"
                     : t.code == kDLBfloat ? "bfloat"
                     : t.code == kDLInt    ? "int"
                     : t.code == kDLUInt   ? "uint"
                     : t.code == kDLBool   ? "bool"
                                           : "type";
  return kind + std::to_string(t.bits);
}

inline std::span<const std::int64_t> shape_of(const DLTensor& t) noexcept {
  return {t.shape, static_cast<std::size_t>(t.ndim)};
}

inline std::int64_t element_count(const DLTensor& t) noexcept {
  std::int64_t n = 1;
  for (std::int64_t d : shape_of(t)) n *= d;
  return n;
}

// "(2,3,64,64)"; HN_DIM_BATCH reads B and HN_DIM_ANY reads *.
inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += shape[i] == -1   ? std::string("B")
            : shape[i] == -2 ? std::string("*")
                             : std::to_string(shape[i]);
  }
  return text + ")";
}

// The address of the first element.
template <class T>
T* data_of(const DLTensor& t) noexcept {
  return reinterpret_cast<T*>(static_cast<char*>(t.data) + t.byte_offset);
}

}  // namespace hn
