// The progress of a run on stderr: a bar on a terminal, plain lines otherwise.
#pragma once

#include <hnhost/hnhost.h>

#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace hn::cli {

// Hooks for one call of the library. Also answers whether Ctrl-C was pressed. Must outlive the
// call.
class Progress {
 public:
  // label: in front of every line, may be empty. quiet: nothing is written.
  Progress(std::string label, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  const hnhost_hooks* hooks() const { return &hooks_; }

 private:
  static std::int32_t HN_CALL on_step(void* self, const hnhost_step* step);
  static void HN_CALL on_stage(void* self, hn_str what, std::uint64_t done, std::uint64_t total);
  static std::int32_t HN_CALL is_cancelled(void* self);

  void step(const hnhost_step& step);
  void stage(std::string_view what, std::uint64_t done, std::uint64_t total);
  void line(const std::string& text, bool keep);

  std::string label_;
  bool quiet_;
  bool terminal_;
  std::mutex mutex_;                         // a plugin's threads may tell of stages too
  bool open_line_ = false;                   // the terminal's line is not ended yet
  std::set<std::string, std::less<>> told_;  // stages that a log has already
  std::chrono::steady_clock::time_point last_line_{};
  hnhost_hooks hooks_{};
};

// "2:05" or "1:02:05".
std::string duration_text(double seconds);
// "[#####.....]" of `width` cells.
std::string bar_text(double share, int width);
// "reward 0.231  half |delta|^2 12.3  310 samples/s  0:12 left"
std::string step_text(const hnhost_step& step);

}  // namespace hn::cli
