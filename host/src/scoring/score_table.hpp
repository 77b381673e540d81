// The rows of a scored set in a file: JSON Lines or CSV, one row a picture, appended as they come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "files/append_file.hpp"
#include "scoring/set_scorer.hpp"

namespace hn::host {

// {"image", "prompt", further fields of the prompt that are there, "scores": {reward: number or
// null}, "columns": {...}, "error"}; columns and error only where there are any.
nlohmann::ordered_json row_json(const ScoredRow& row, const std::vector<std::string>& rewards);

// A file that is continued: rows that are there are not scored again, and half a row that a killed
// process left at the end is cut off. ".csv": image, prompt (where an
// item has more: negative, metadata, prompt_image, mask), a column a reward, error, with texts
// guarded against spreadsheets (support/csv.hpp); anything else: JSON Lines as row_json has them.
class ScoreTable {
 public:
  // Rows of `items` that hold an error leave the file, which is replaced as a whole: their pictures
  // are scored again, since they may have been mended, and get one row each.
  // Errors: HN_INVALID_ARGUMENT where the file is another kind of table or has other rewards (both
  // lists are named); HN_DATA_LOSS where a row before the last is damaged (file and line are named,
  // nothing is changed); those of AppendFile.
  ScoreTable(std::filesystem::path file, const std::vector<std::string>& rewards,
             std::span<const ScoreItem> items);

  // Whether the file has the item's scores.
  bool has(const ScoreItem& item) const;
  std::size_t size() const { return done_.size(); }
  void append(const ScoredRow& row);
  void sync() { file_->sync(); }

 private:
  struct ErrorRow {
    std::uint64_t key, begin, end;  // bytes
  };
  // Both fill done_ and errors_ and return where the last whole row ends.
  std::uint64_t read_csv(const std::string& text);
  std::uint64_t read_jsonl(const std::string& text);
  // Returns the length of what is left.
  std::uint64_t drop_errors(const std::string& text, std::uint64_t end,
                            std::span<const ScoreItem> items);
  [[noreturn]] void other_rewards(const std::string& there) const;
  [[noreturn]] void damaged(std::size_t line, const std::string& text) const;

  std::filesystem::path path_;
  std::vector<std::string> rewards_;
  bool csv_;
  bool fields_;                             // columns for what prompts have beside their texts
  std::unordered_set<std::uint64_t> done_;  // hashes: ten thousand paths would be megabytes
  std::vector<ErrorRow> errors_;
  std::unique_ptr<AppendFile> file_;
};

}  // namespace hn::host
