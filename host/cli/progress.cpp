#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <hn/cpp/error.hpp>
#include <iostream>

#include "signals.hpp"

namespace hn::cli {
namespace {

constexpr std::chrono::milliseconds kTerminalPause{50};
constexpr std::chrono::seconds kPlainPause{5};  // a log file wants few lines

std::string number(const char* format, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = static_cast<long long>(std::lround(seconds));
  std::array<char, 48> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%lld:%02lld", whole / 60, whole % 60);
  }
  return text.data();
}

std::string bar_text(double share, int width) {
  const int full = std::clamp(static_cast<int>(share * width), 0, width);
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(width - full), '.') + "]";
}

std::string step_text(const hnhost_step& step) {
  std::string out = number("reward %.4f", step.reward) + number("  ½‖Δ‖² %.3g", step.kl) +
                    number("  %.0f samples/s", step.samples_per_second) + "  " +
                    duration_text(step.seconds_left) + " left";
  if ((step.flags & HNHOST_STEP_SKIPPED) != 0) out += "  (step skipped: not finite)";
  return out;
}

Progress::Progress(std::string label, bool quiet)
    : label_(std::move(label)), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {
  hooks_.struct_size = sizeof(hooks_);
  hooks_.ctx = this;
  hooks_.on_step = on_step;
  hooks_.on_progress = on_stage;
  hooks_.is_cancelled = is_cancelled;
}

Progress::~Progress() {
  if (open_line_) std::cerr << "\n";
}

std::int32_t HN_CALL Progress::on_step(void* self, const hnhost_step* step) {
  static_cast<Progress*>(self)->step(*step);
  return stop_requested() ? 1 : 0;
}

void HN_CALL Progress::on_stage(void* self, hn_str what, std::uint64_t done, std::uint64_t total) {
  static_cast<Progress*>(self)->stage(view(what), done, total);
}

std::int32_t HN_CALL Progress::is_cancelled(void*) { return stop_requested() ? 1 : 0; }

void Progress::step(const hnhost_step& step) {
  const std::lock_guard lock(mutex_);
  const bool last = step.step == step.steps;
  const auto now = std::chrono::steady_clock::now();
  const bool due = terminal_ ? now - last_line_ >= kTerminalPause : now - last_line_ >= kPlainPause;
  // The first step, the last one and a skipped one are always told.
  if (!due && !last && step.step != 1 && (step.flags & HNHOST_STEP_SKIPPED) == 0) return;
  last_line_ = now;
  const std::string count = std::to_string(step.step) + "/" + std::to_string(step.steps);
  const double share =
      step.steps == 0 ? 1 : static_cast<double>(step.step) / static_cast<double>(step.steps);
  line((terminal_ ? bar_text(share, 24) + " " : "step ") + count + "  " + step_text(step), last);
}

void Progress::stage(std::string_view what, std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  if (!terminal_) {
    // A log gets each stage once, and none of those that alternate with the steps.
    if (what != "sampling" && what != "scoring" && told_.emplace(what).second)
      line(std::string(what), true);
    return;
  }
  std::string text(what);
  if (total > 0) text += " " + std::to_string(done) + "/" + std::to_string(total);
  line(text, false);
}

void Progress::line(const std::string& text, bool keep) {
  if (quiet_) return;
  const std::string whole = label_.empty() ? text : label_ + ": " + text;
  if (!terminal_) {
    std::cerr << whole << "\n";
    return;
  }
  std::cerr << "\r\x1b[K" << whole;
  if (keep) std::cerr << "\n";
  std::cerr.flush();
  open_line_ = !keep;
}

}  // namespace hn::cli
