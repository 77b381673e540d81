// The folder of one run: its files, its lock, and the promise that it belongs to one configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/folder_lock.hpp"

namespace hn::host {

// Keys whose values differ, as "train.lr: 0.001 there, 0.01 now" and "reward[1].name: ...". Tables
// and lists of tables are compared key by key, everything else as a value; an empty text or list is
// as a key that is not there, so that a run stays the same one when a later version adds such keys.
// `there` and `now` are TOML.
std::vector<std::string> config_differences(std::string_view there, std::string_view now);

// Whether these differences only let a run go on for longer: more train.steps, another
// validation.patience.
bool only_longer(const std::vector<std::string>& differences);

// One run's folder, locked against a second process as long as the object lives.
class RunDirectory {
 public:
  // Creates the folder, or continues one whose config.toml says the same as `config` (resolved
  // TOML), or only asks for more steps: it then holds the new one. With `overwrite` the files of a
  // former run are removed first, and so they are where a run of another configuration never
  // reached a checkpoint; nothing that a run does not make is ever touched. What killed processes
  // left half-written is removed.
  //
  // Errors: HN_INVALID_ARGUMENT (another configuration: every differing key is named; a folder with
  // other files; another process runs in it; the path is a file; .lock is a symbolic link),
  // HN_NOT_FOUND (cannot be created), HN_DATA_LOSS (config.toml is broken).
  RunDirectory(std::filesystem::path root, std::string_view config, bool overwrite);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path config() const { return root_ / "config.toml"; }
  std::filesystem::path adapter() const { return root_ / "adapter"; }
  std::filesystem::path checkpoint() const { return root_ / "checkpoint.safetensors"; }
  std::filesystem::path metrics() const { return root_ / "metrics.jsonl"; }
  std::filesystem::path events() const { return root_ / "events.out.tfevents.0.hnhost"; }
  std::filesystem::path samples() const { return root_ / "samples"; }
  std::filesystem::path scores() const { return root_ / "scores.json"; }
  std::filesystem::path report() const { return root_ / "report.html"; }
  std::filesystem::path summary() const { return root_ / "summary.json"; }

 private:
  std::vector<std::string> differences(std::string_view config) const;
  void remove_unfinished_files() const;
  void remove_run_files() const;

  std::filesystem::path root_;
  std::optional<FolderLock> lock_;
};

}  // namespace hn::host
