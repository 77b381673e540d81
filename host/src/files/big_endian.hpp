// Integers as PNG, JPEG and TIFF store them. The caller has checked that they lie within the bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace hn::host {

inline std::uint32_t big_endian16(std::string_view bytes, std::size_t at) {
  return std::uint32_t{static_cast<std::uint8_t>(bytes[at])} << 8 |
         static_cast<std::uint8_t>(bytes[at + 1]);
}

inline std::uint32_t big_endian32(std::string_view bytes, std::size_t at) {
  return big_endian16(bytes, at) << 16 | big_endian16(bytes, at + 2);
}

}  // namespace hn::host
