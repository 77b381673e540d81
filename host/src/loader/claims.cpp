#include "loader/claims.hpp"

#include <hn/cpp/error.hpp>
#include <string_view>

#include "support/files.hpp"

namespace hn::host {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Every text in quotes of a value: "a" or ["a", 'b'].
void add_quoted(std::string_view value, std::set<std::string>& names) {
  for (;;) {
    const auto open = value.find_first_of("\"'");
    if (open == std::string_view::npos) return;
    const auto close = value.find(value[open], open + 1);
    if (close == std::string_view::npos) return;
    if (close > open + 1) names.emplace(value.substr(open + 1, close - open - 1));
    value.remove_prefix(close + 1);
  }
}

}  // namespace

std::set<std::string> claimed_names(const std::filesystem::path& bundle) {
  const std::string folder = bundle.filename().string();
  std::set<std::string> names;
  std::string text;
  try {
    text = read_file(bundle / "plugin.toml", 1u << 20);
  } catch (const Error&) {
    return {folder};
  }
  bool names_here = true;  // in the first table and in [[models]]
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.starts_with("[")) names_here = line.starts_with("[[models]]");
    const auto equals = line.find('=');
    if (!names_here || equals == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, equals));
    if (key == "id" || key == "name" || key == "aliases")
      add_quoted(line.substr(equals + 1), names);
  }
  return names.empty() ? std::set<std::string>{folder} : names;
}

}  // namespace hn::host
