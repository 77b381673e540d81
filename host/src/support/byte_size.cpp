#include "support/byte_size.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> kUnits = {
    {{"", 1},
     {"b", 1},
     {"kb", 1'000},
     {"mb", 1'000'000},
     {"gb", 1'000'000'000},
     {"tb", 1'000'000'000'000},
     {"kib", 1ull << 10},
     {"mib", 1ull << 20},
     {"gib", 1ull << 30},
     {"tib", 1ull << 40}}};

std::string_view stripped(std::string_view text) {
  const absl::string_view inner = absl::StripAsciiWhitespace(to_absl(text));
  return {inner.data(), inner.size()};
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  text = stripped(text);
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view digits = text.substr(0, end);
  std::string unit(stripped(text.substr(end)));
  absl::AsciiStrToLower(&unit);
  const auto* found = std::find_if(kUnits.begin(), kUnits.end(),
                                   [&](const auto& each) { return each.first == unit; });
  if (digits.empty() || found == kUnits.end()) return std::nullopt;
  const char* const last = digits.data() + digits.size();
  const auto whole = [&](const auto& result) {
    return result.ec == std::errc() && result.ptr == last;
  };
  if (digits.find('.') == std::string_view::npos) {
    std::uint64_t number = 0;
    if (!whole(std::from_chars(digits.data(), last, number)) || number > kMost / found->second)
      return std::nullopt;
    return number * found->second;
  }
  double number = 0;
  if (!whole(std::from_chars(digits.data(), last, number))) return std::nullopt;
  const double bytes = number * static_cast<double>(found->second);
  // Less than a byte would become 0, which is no limit at all.
  if (!(bytes <= static_cast<double>(kMost)) || (number > 0 && bytes < 1)) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(bytes));
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
