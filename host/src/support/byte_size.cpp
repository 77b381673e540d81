#include "support/byte_size.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <array>
#include <cmath>
#include <utility>

#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr double kMost = 4.611686018427388e18;  // 2^62
constexpr std::array<std::pair<std::string_view, double>, 10> kUnits = {{{"", 1},
                                                                         {"b", 1},
                                                                         {"kb", 1e3},
                                                                         {"mb", 1e6},
                                                                         {"gb", 1e9},
                                                                         {"tb", 1e12},
                                                                         {"kib", 1024.0},
                                                                         {"mib", 1048576.0},
                                                                         {"gib", 1073741824.0},
                                                                         {"tib", 1099511627776.0}}};

std::string_view stripped(std::string_view text) {
  const absl::string_view inner = absl::StripAsciiWhitespace(to_absl(text));
  return {inner.data(), inner.size()};
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  text = stripped(text);
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string_view digits = text.substr(0, end);
  double number = 0;
  if (digits.empty() || !absl::SimpleAtod(to_absl(digits), &number)) return std::nullopt;
  std::string unit(end == std::string_view::npos ? "" : stripped(text.substr(end)));
  absl::AsciiStrToLower(&unit);
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    const double bytes = number * factor;
    if (!(bytes <= kMost)) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(bytes));
  }
  return std::nullopt;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < kNames.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + std::string(kNames[unit]);
}

}  // namespace hn::host
