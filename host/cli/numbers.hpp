// Numbers as people type them: decimal, all of the text, in range, or an error that says so.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "command.hpp"

namespace hn::cli {

struct Range {
  std::int64_t least, most;
};
// As the configuration has them (docs/configuration.md).
inline constexpr Range kSeeds = {0, std::numeric_limits<std::int64_t>::max()};
inline constexpr Range kBatches = {1, 1 << 20};
inline constexpr Range kSteps = {1, 1'000'000'000};
inline constexpr Range kThreads = {0, 4096};
inline constexpr Range kPixels = {1, std::numeric_limits<std::int64_t>::max()};

// Decimal digits, perhaps a '-' before them: "010" is 10; "0x10", "1e3", "5.0", "+5", " 5", "1_000"
// and what does not fit are refused. Throws UsageError "[where] expected a whole number from 0 to
// 4096, got '5.0'".
std::int64_t parse_integer(const std::string& text, Range range, const std::string& where);

// A finite decimal number, "0.5", "-2", "1e-3", "1." and ".5" too. Throws UsageError "[where]
// expected a number, ...".
double parse_number(const std::string& text, const std::string& where);

// Options of one number; a mistake names the flag.
CLI::Option* add_integer(CLI::App& verb, const std::string& flag, std::int64_t& into, Range range,
                         const std::string& help);
CLI::Option* add_integer(CLI::App& verb, const std::string& flag, std::optional<std::int64_t>& into,
                         Range range, const std::string& help);
CLI::Option* add_number(CLI::App& verb, const std::string& flag, std::optional<double>& into,
                        const std::string& help);

}  // namespace hn::cli
