// What training remembers of each reward beside its last score: running mean and deviation, whether
// it looks broken, and whether a guard's bound was passed. Part of every checkpoint.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::core {

// What one reward gave in one step.
struct StepScores {
  std::vector<double> scores;  // one a sample that it saw, in order; empty: it did not run
  bool blind = false;          // the same scores for prompts that were exchanged
  // Samples whose prompts a reward that is only measured could not answer, and why the first.
  std::size_t unanswered = 0;
  std::string why{};
  // Its own image gradient over the step: none looked at, some of it not zero, all of it zero.
  enum class Gradient { kUnseen, kSome, kZero };
  Gradient gradient = Gradient::kUnseen;
  // The first sample's score alone, where that is another than among its neighbours.
  std::optional<double> alone{};
};

// Mean and deviation over the last samples: the plain ones up to kHorizon samples, then each new
// sample has the share 1 / kHorizon.
struct RunningScale {
  static constexpr double kHorizon = 2048;
  static constexpr double kEnough = 32;  // samples before the deviation is used

  double count = 0, mean = 0, variance = 0;

  void add(double score);
  bool ready() const { return count >= kEnough; }
  double deviation() const;
};

struct RewardState {
  RunningScale scale;
  double last = std::numeric_limits<double>::quiet_NaN();  // mean of the last step it ran in

  // The watch: steps of the present window, its lowest and highest score, whether no step told its
  // samples apart, whether exchanged prompts changed nothing, and what was warned of already.
  double steps = 0;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double flat = 1, blind = 0, warned = 0;

  // The guard: how often it was measured, the smoothed score, where it began, measurements to wait.
  double measured = 0, smooth = 0, start = 0, wait = 0;

  // Every number, in the order above, for checkpoints.
  static constexpr std::size_t kNumbers = 14;
  std::array<double, kNumbers> numbers() const;
  static RewardState from(std::span<const double> numbers);
};

class RewardStates {
 public:
  explicit RewardStates(const SessionSpec& spec);

  RewardState& at(std::size_t k) { return states_[k]; }
  const RewardState& at(std::size_t k) const { return states_[k]; }
  std::size_t size() const { return states_.size(); }

  // True for a step at which the reward runs; steps count from 1.
  bool runs(std::size_t k, std::uint64_t step) const;
  // True when this step should also score exchanged prompts, to see whether the reward reads them.
  bool checks_prompts(std::size_t k, std::uint64_t step) const;
  // True when this step should look whether the reward's own image gradient is zero everywhere: the
  // first kZeroSteps runs, and as many in each kGradientWindow. A function of the step alone, so
  // that a resumed run does the same.
  static constexpr std::uint64_t kZeroSteps = 3, kGradientWindow = 50;
  bool checks_gradient(std::size_t k, std::uint64_t step) const;
  // True when this step should score one sample alone, to see whether the reward mixes its batch.
  bool checks_mixing(std::size_t k, std::uint64_t step) const;
  // dL / d score of one sample that it sees, times the number of samples of an optimiser batch over
  // those that it sees. 0: no gradient is wanted.
  double slope(std::size_t k) const;
  // What the reward adds to the loss at this mean score, before the step is taken in.
  double loss(std::size_t k, double score) const;

  // Takes a finished step in: scales, watch, guards. Appends warnings to the report.
  void finish_step(std::span<const StepScores> scores, StepReport& report);

  double factor() const { return factor_; }
  const std::string& stopped() const { return stopped_; }

  // Factor and whether a guard stopped, for checkpoints.
  std::array<double, 2> numbers() const { return {factor_, stopped_.empty() ? 0.0 : 1.0}; }
  void restore(std::span<const double> numbers);

 private:
  void watch(std::size_t k, const StepScores& step, StepReport& report);
  void watch_gradient(std::size_t k, const StepScores& step, StepReport& report);
  void warn_once(std::size_t k, unsigned bit, bool now, const std::string& text,
                 StepReport& report);
  void guard(const GuardSpec& guard, std::size_t k, StepReport& report);

  const SessionSpec& spec_;
  std::vector<RewardState> states_;
  std::vector<std::uint64_t> zero_steps_;  // in a row, of those that were looked at
  double factor_ = 1;
  std::string stopped_;
};

}  // namespace hn::core
