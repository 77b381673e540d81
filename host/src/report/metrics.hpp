// metrics.jsonl: one JSON object a line, each with a "step".
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "files/append_file.hpp"

namespace hn::host {

// Rows are flushed one by one. Numbers that are not finite become null, since JSON has none.
class MetricsFile {
 public:
  // Keeps the first `rows` rows of an existing file, those that a checkpoint was written behind,
  // and drops what follows: a resume does that again. Errors: HN_DATA_LOSS names the file and the
  // line where one of these rows is missing or damaged, and nothing is changed then; those of
  // AppendFile.
  MetricsFile(const std::filesystem::path& file, std::uint64_t rows);

  // Throws what the constructor would, and changes nothing.
  static void check(const std::filesystem::path& file, std::uint64_t rows);

  void append(const nlohmann::ordered_json& row);
  void sync() { file_.sync(); }
  std::uint64_t rows() const { return rows_; }

 private:
  AppendFile file_;
  std::uint64_t rows_;
};

// Every row of the file, in order. A last line without its end is what a kill leaves, and is left
// out; an absent file has no rows. Errors: HN_DATA_LOSS names the file and line of anything else
// that is no row: not JSON, no step, a step behind the row before, a missing training step.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& file);

}  // namespace hn::host
