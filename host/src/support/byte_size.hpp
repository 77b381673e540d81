// Amounts of memory as people write them: "8GiB", "500 MB", "4096".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hn::host {

// A number, which may have a fraction, and a unit: none or B; kB, MB, GB, TB (powers of 1000); KiB,
// MiB, GiB, TiB (of 1024); in any case. Nothing for anything else, for less than a byte that is not
// 0, and above 2^62.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// In the largest unit of 1024 that gives a whole number: "8GiB", "100". parse_bytes reads it back.
std::string format_bytes(std::uint64_t bytes);

// What parse_bytes takes, for messages.
inline constexpr std::string_view kByteSizes = "a size such as \"8GiB\", \"500MB\" or \"4096\"";

}  // namespace hn::host
