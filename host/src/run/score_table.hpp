// The rows of a scored set in a file: JSON Lines or CSV, one row a picture, appended as they come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "run/append_file.hpp"
#include "run/set_scorer.hpp"

namespace hn::run {

// {"image", "prompt", "scores": {reward: number or null}, "columns": {...}, "error"}; columns and
// error only where there are any.
nlohmann::ordered_json row_json(const ScoredRow& row, const std::vector<std::string>& rewards);

// A file that is continued: rows that are there are not scored again, and half a row that a killed
// process left is cut off. ".csv": image, prompt, a column a reward, error; anything else: JSON
// Lines as row_json has them.
class ScoreTable {
 public:
  // Errors: HN_INVALID_ARGUMENT where the file is another kind of table or has other rewards (both
  // lists are named); those of AppendFile.
  ScoreTable(std::filesystem::path file, const std::vector<std::string>& rewards);

  // Rows with an error are scored again by the next run: the picture may have been mended.
  bool has(const ScoreItem& item) const;
  std::size_t size() const { return done_.size(); }
  void append(const ScoredRow& row);
  void sync() { file_->sync(); }

 private:
  std::uint64_t read_csv(const std::string& text);
  std::uint64_t read_jsonl(const std::string& text);
  [[noreturn]] void other_rewards(const std::string& there) const;

  std::filesystem::path path_;
  std::vector<std::string> rewards_;
  bool csv_;
  std::unordered_set<std::uint64_t> done_;  // hashes: ten thousand paths would be megabytes
  std::unique_ptr<AppendFile> file_;
};

}  // namespace hn::run
