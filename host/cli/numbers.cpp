#include "numbers.hpp"

#include <charconv>
#include <cmath>
#include <functional>

namespace hn::cli {
namespace {

// Reads the value and passes its mistake on as CLI11's, with the flag in it.
template <class Read>
CLI::Option* add(CLI::App& verb, const std::string& flag, const std::string& help, Read read) {
  return verb.add_option_function<std::string>(
      flag,
      [read](const std::string& text) {
        try {
          read(text);
        } catch (const UsageError& error) {
          throw CLI::ValidationError(error.what());
        }
      },
      help);
}

}  // namespace

std::int64_t parse_integer(const std::string& text, Range range, const std::string& where) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value, 10);
  if (code == std::errc() && stop == end && value >= range.least && value <= range.most)
    return value;
  throw UsageError(HN_INVALID_ARGUMENT, "[" + where + "] expected a whole number from " +
                                            std::to_string(range.least) + " to " +
                                            std::to_string(range.most) + ", got '" + text + "'");
}

double parse_number(const std::string& text, const std::string& where) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value, std::chars_format::general);
  if (code == std::errc() && stop == end && std::isfinite(value)) return value;
  throw UsageError(HN_INVALID_ARGUMENT,
                   "[" + where + "] expected a number such as 0.5 or 1e-3, got '" + text + "'");
}

CLI::Option* add_integer(CLI::App& verb, const std::string& flag, std::int64_t& into, Range range,
                         const std::string& help) {
  return add(verb, flag, help,
             [&into, range, flag](const std::string& text) {
               into = parse_integer(text, range, flag);
             })
      ->type_name("N");
}

CLI::Option* add_integer(CLI::App& verb, const std::string& flag, std::optional<std::int64_t>& into,
                         Range range, const std::string& help) {
  return add(verb, flag, help,
             [&into, range, flag](const std::string& text) {
               into = parse_integer(text, range, flag);
             })
      ->type_name("N");
}

CLI::Option* add_number(CLI::App& verb, const std::string& flag, std::optional<double>& into,
                        const std::string& help) {
  return add(verb, flag, help,
             [&into, flag](const std::string& text) { into = parse_number(text, flag); })
      ->type_name("X");
}

}  // namespace hn::cli
