#include "report/metrics.hpp"

#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <string>

namespace hn::host {
namespace {

constexpr const char* kWayOut = "; restore the file from a copy, or begin anew with --overwrite";

// Reads rows one after the other and says what is wrong with one.
class RowReader {
 public:
  explicit RowReader(const std::filesystem::path& file) : file_(file) {}

  nlohmann::json read(std::string_view line) {
    ++line_;
    const std::string where = file_.string() + ":" + std::to_string(line_);
    nlohmann::json row;
    try {
      row = parse_json(line, where);
    } catch (const Error& error) {
      throw Error(error.code(), std::string(error.what()) + kWayOut);
    }
    const auto refuse = [&](const std::string& text) {
      throw Error(HN_DATA_LOSS, where + ": " + text + kWayOut);
    };
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number_unsigned())
      refuse("expected a row with a step, got " + row.dump().substr(0, 80));
    const auto step = row["step"].get<std::uint64_t>();
    if (row.contains("kind") && !row["kind"].is_string()) refuse("kind: expected a text");
    if (step < last_step_)
      refuse("expected step " + std::to_string(last_step_) + " or later, got " +
             std::to_string(step));
    if (row.value("kind", "") == "train") {
      if (step != last_trained_ + 1)
        refuse("expected training step " + std::to_string(last_trained_ + 1) + ", got " +
               std::to_string(step));
      last_trained_ = step;
    }
    last_step_ = step;
    return row;
  }

 private:
  const std::filesystem::path& file_;
  std::uint64_t line_ = 0, last_step_ = 0, last_trained_ = 0;
};

// Calls visit(row, end of its line) for each whole line until it answers false.
void each_row(const std::filesystem::path& file,
              const std::function<bool(nlohmann::json&&, std::uint64_t)>& visit) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return;
  const std::string text = read_whole_file(file);
  RowReader reader(file);
  std::size_t begin = 0;
  for (;;) {
    const std::size_t newline = text.find('\n', begin);
    if (newline == std::string::npos) return;
    const std::string_view line = std::string_view(text).substr(begin, newline - begin);
    if (!visit(reader.read(line), newline + 1)) return;
    begin = newline + 1;
  }
}

std::uint64_t kept_bytes(const std::filesystem::path& file, std::uint64_t rows) {
  std::uint64_t kept = 0, found = 0;
  if (rows > 0)
    each_row(file, [&](nlohmann::json&&, std::uint64_t end) {
      kept = end;
      return ++found < rows;
    });
  if (found < rows)
    throw Error(HN_DATA_LOSS, file.string() + ":" + std::to_string(found + 1) +
                                  ": the checkpoint was written behind " + std::to_string(rows) +
                                  " rows, the file has " + std::to_string(found) + kWayOut);
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& file, std::uint64_t rows)
    : file_(file, kept_bytes(file, rows), AppendTo::kOwnFile), rows_(rows) {}

void MetricsFile::check(const std::filesystem::path& file, std::uint64_t rows) {
  (void)kept_bytes(file, rows);
}

void MetricsFile::append(const nlohmann::ordered_json& row) {
  // Replacing: a prompt inside a message may be cut in the middle of a character.
  file_.append(row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  ++rows_;
}

std::vector<nlohmann::json> read_metrics(const std::filesystem::path& file) {
  std::vector<nlohmann::json> rows;
  each_row(file, [&](nlohmann::json&& row, std::uint64_t) {
    rows.push_back(std::move(row));
    return true;
  });
  return rows;
}

}  // namespace hn::host
