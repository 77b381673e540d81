// metrics.jsonl: one JSON object a line, each with a "step".
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "run/append_file.hpp"

namespace hn::run {

// Rows are flushed one by one. Numbers that are not finite become null, since JSON has none.
class MetricsFile {
 public:
  // Keeps the rows of an existing file up to and including step `last_step` and drops what follows:
  // those steps are done again after a resume. A half-written last line is dropped too.
  MetricsFile(const std::filesystem::path& file, std::uint64_t last_step);

  void append(const nlohmann::ordered_json& row);
  void sync() { file_.sync(); }

 private:
  AppendFile file_;
};

// Every whole row of the file, in order; a broken line ends the list. An absent file has none.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& file);

}  // namespace hn::run
