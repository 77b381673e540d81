#include "core/reward_state.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/loss.hpp"

namespace hn::core {
namespace {

constexpr unsigned kConstant = 1, kFlat = 2, kBlind = 4, kAlarm = 8, kUnanswered = 16,
                   kZeroGradient = 32, kMixes = 64;
constexpr double kGuardStart = 3;    // measurements that make a guard's start; it is idle in them
constexpr double kGuardWait = 3;     // measurements between two lowerings
constexpr double kGuardShare = 0.3;  // of a new measurement in the smoothed score
constexpr double kLeastDeviation = 1e-6;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

// Scores that agree to float32's last digits are the same score.
bool same(double low, double high) {
  return high - low <= 1e-7 * std::max({1.0, std::abs(low), std::abs(high)});
}

}  // namespace

void RunningScale::add(double score) {
  count += 1;
  const double share = 1 / std::min(count, kHorizon);
  const double off = score - mean;
  mean += share * off;
  variance += share * (off * (score - mean) - variance);
}

double RunningScale::deviation() const { return std::sqrt(variance) + kLeastDeviation; }

std::array<double, RewardState::kNumbers> RewardState::numbers() const {
  return {scale.count, scale.mean, scale.variance, last,     steps,  low,   high,
          flat,        blind,      warned,         measured, smooth, start, wait};
}

RewardState RewardState::from(std::span<const double> n) {
  RewardState s;
  double* const fields[] = {&s.scale.count, &s.scale.mean, &s.scale.variance, &s.last,  &s.steps,
                            &s.low,         &s.high,       &s.flat,           &s.blind, &s.warned,
                            &s.measured,    &s.smooth,     &s.start,          &s.wait};
  for (std::size_t i = 0; i < kNumbers; ++i) *fields[i] = n[i];
  return s;
}

RewardStates::RewardStates(const SessionSpec& spec)
    : spec_(spec), states_(spec.rewards.size()), zero_steps_(spec.rewards.size(), 0) {}

bool RewardStates::runs(std::size_t k, std::uint64_t step) const {
  const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(spec_.rewards[k].every, 0));
  return every != 0 && (step - 1) % every == 0;
}

bool RewardStates::checks_prompts(std::size_t k, std::uint64_t step) const {
  if (spec_.train.watch == 0 || !runs(k, step)) return false;
  return states_[k].steps == static_cast<double>(spec_.train.watch - 1);  // once a window
}

bool RewardStates::checks_gradient(std::size_t k, std::uint64_t step) const {
  if (spec_.train.watch == 0 || !spec_.rewards[k].train || !runs(k, step)) return false;
  const auto every = static_cast<std::uint64_t>(spec_.rewards[k].every);
  return (step - 1) / every % kGradientWindow < kZeroSteps;
}

bool RewardStates::checks_mixing(std::size_t k, std::uint64_t step) const {
  return step == 1 && spec_.train.watch != 0 && spec_.rewards[k].train;
}

double RewardStates::slope(std::size_t k) const {
  const RewardSpec& reward = spec_.rewards[k];
  if (!reward.train) return 0;
  const std::int64_t whole = spec_.train.batch;
  const std::int64_t seen = reward.batch > 0 ? std::min(reward.batch, whole) : whole;
  double slope = score_gradient(reward) * factor_ * static_cast<double>(reward.every) *
                 static_cast<double>(whole) / static_cast<double>(seen);
  if (spec_.train.reward_normalise && states_[k].scale.ready())
    slope /= states_[k].scale.deviation();
  return slope;
}

double RewardStates::loss(std::size_t k, double score) const {
  const RewardSpec& reward = spec_.rewards[k];
  const RunningScale& scale = states_[k].scale;
  if (!spec_.train.reward_normalise || !scale.ready()) return factor_ * score_loss(reward, score);
  return factor_ * score_gradient(reward) * (score - scale.mean) / scale.deviation();
}

void RewardStates::warn_once(std::size_t k, unsigned bit, bool now, const std::string& text,
                             StepReport& report) {
  auto told = static_cast<unsigned>(states_[k].warned);
  if (now && (told & bit) == 0) report.warnings.push_back("reward " + spec_.rewards[k].name + text);
  told = now ? told | bit : told & ~bit;
  states_[k].warned = told;
}

void RewardStates::watch_gradient(std::size_t k, const StepScores& step, StepReport& report) {
  if (step.alone)
    warn_once(k, kMixes, true,
              ": it mixes its batch: the first sample's score is " + number(*step.alone) +
                  " alone and " + number(step.scores.front()) +
                  " among its neighbours; what it gives depends on batch and micro_batch (a reward "
                  "that is meant so says "
                  "HN_FN_MIXES_SAMPLES)",
              report);
  if (step.gradient == StepScores::Gradient::kUnseen) return;
  if (step.gradient == StepScores::Gradient::kSome)
    zero_steps_[k] = 0;
  else
    ++zero_steps_[k];
  if (zero_steps_[k] != 0 && zero_steps_[k] < kZeroSteps) return;
  warn_once(k, kZeroGradient, zero_steps_[k] >= kZeroSteps,
            ": its gradient with respect to the picture was exactly zero everywhere in " +
                std::to_string(zero_steps_[k]) +
                " steps: nothing is learned from it (is its graph cut off, a detach?)",
            report);
}

void RewardStates::watch(std::size_t k, const StepScores& step, StepReport& report) {
  RewardState& s = states_[k];
  const auto [low, high] = std::minmax_element(step.scores.begin(), step.scores.end());
  for (const ScoreAlarm& alarm : spec_.rewards[k].alarms) {
    const bool rings = std::abs(*low - alarm.score) <= alarm.tolerance &&
                       std::abs(*high - alarm.score) <= alarm.tolerance;
    warn_once(k, kAlarm, rings, ": every score is " + number(alarm.score) + ": " + alarm.means,
              report);
  }
  if (spec_.train.watch == 0) return;
  s.low = std::min(s.low, *low);
  s.high = std::max(s.high, *high);
  if (step.scores.size() < 2 || !same(*low, *high)) s.flat = 0;
  if (step.blind) s.blind = 1;
  s.steps += 1;
  if (s.steps < static_cast<double>(spec_.train.watch)) return;
  const std::string window = " in its last " + number(s.steps) + " steps";
  const bool constant = s.steps > 1 && same(s.low, s.high);
  warn_once(k, kConstant, constant,
            ": the same score " + number(s.low) + " for every sample" + window +
                "; a constant has no gradient to follow",
            report);
  warn_once(k, kFlat, s.flat != 0 && !constant,
            ": one score for all samples of a step, every time" + window +
                "; it tells neither pictures nor prompts apart",
            report);
  warn_once(k, kBlind, s.blind != 0 && !constant && s.flat == 0,
            ": exchanging the prompts changed no score" + window +
                "; it reads prompts, but they make no difference",
            report);
  s.steps = 0;
  s.low = std::numeric_limits<double>::infinity();
  s.high = -s.low;
  s.flat = 1;
  s.blind = 0;
}

void RewardStates::guard(const GuardSpec& guard, std::size_t k, StepReport& report) {
  RewardState& s = states_[k];
  if (s.measured <= kGuardStart) return;
  const double sign = spec_.rewards[k].higher_is_better ? 1 : -1;
  const double bound = guard.bound ? *guard.bound : s.start - sign * guard.drop.value_or(0);
  if (sign * (s.smooth - bound) >= 0) {
    s.wait = 0;
    return;
  }
  const std::string what = "guard " + guard.reward + ": its smoothed score " + number(s.smooth) +
                           " is worse than the bound " + number(bound);
  if (guard.stop) {
    stopped_ = what + "; the training stops";
    report.warnings.push_back(stopped_);
    return;
  }
  if (s.wait > 0) {
    s.wait -= 1;
    return;
  }
  s.wait = kGuardWait;
  factor_ *= guard.factor;
  report.warnings.push_back(what + "; the rewards' weights are lowered to " + number(factor_) +
                            " of theirs");
}

void RewardStates::finish_step(std::span<const StepScores> steps, StepReport& report) {
  for (std::size_t k = 0; k < states_.size(); ++k) {
    const std::vector<double>& scores = steps[k].scores;
    if (steps[k].unanswered > 0)
      warn_once(k, kUnanswered, true,
                ": " + std::to_string(steps[k].unanswered) + " of " +
                    std::to_string(scores.size() + steps[k].unanswered) +
                    " prompts not answered, its number is of the others: " + steps[k].why,
                report);
    if (scores.empty()) continue;
    RewardState& s = states_[k];
    double sum = 0;
    for (const double score : scores) sum += score;
    s.last = sum / static_cast<double>(scores.size());
    for (const double score : scores) s.scale.add(score);
    watch(k, steps[k], report);
    watch_gradient(k, steps[k], report);
    s.measured += 1;
    s.smooth += (s.last - s.smooth) * std::max(1 / s.measured, kGuardShare);
    if (s.measured <= kGuardStart) s.start += (s.last - s.start) / s.measured;
    for (const GuardSpec& each : spec_.train.guards)
      if (each.reward == spec_.rewards[k].name) guard(each, k, report);
  }
  report.reward_factor = factor_;
}

void RewardStates::restore(std::span<const double> numbers) {
  factor_ = numbers[0];
  stopped_ = numbers[1] != 0 ? "a guard stopped this training" : "";
}

}  // namespace hn::core
