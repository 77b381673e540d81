#include "run/metrics.hpp"

#include <functional>
#include <hn/cpp/error.hpp>
#include <string>

#include "json/json_file.hpp"

namespace hn::run {
namespace {

// Calls visit(row, end of its line) until it answers false, a line is broken or the file ends.
void each_row(const std::filesystem::path& file,
              const std::function<bool(nlohmann::json&&, std::uint64_t)>& visit) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  const std::string text = read_whole_file(file);
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t newline = text.find('\n', begin);
    if (newline == std::string::npos) return;
    nlohmann::json row;
    try {
      row = parse_json(std::string_view(text).substr(begin, newline - begin), "");
    } catch (const Error&) {
      return;
    }
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number_unsigned()) return;
    if (!visit(std::move(row), newline + 1)) return;
    begin = newline + 1;
  }
}

std::uint64_t kept_bytes(const std::filesystem::path& file, std::uint64_t last_step) {
  std::uint64_t kept = 0;
  each_row(file, [&](nlohmann::json&& row, std::uint64_t end) {
    if (row["step"].get<std::uint64_t>() > last_step) return false;
    kept = end;
    return true;
  });
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& file, std::uint64_t last_step)
    : file_(file, kept_bytes(file, last_step)) {}

void MetricsFile::append(const nlohmann::ordered_json& row) {
  // Replacing: a prompt inside a message may be cut in the middle of a character.
  file_.append(row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

std::vector<nlohmann::json> read_metrics(const std::filesystem::path& file) {
  std::vector<nlohmann::json> rows;
  each_row(file, [&](nlohmann::json&& row, std::uint64_t) {
    rows.push_back(std::move(row));
    return true;
  });
  return rows;
}

}  // namespace hn::run
