// Holds 0.5 sum(delta^2), the paper's KL term, at a target by raising the regulariser's weight.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/session.hpp"

namespace hn::core {

// A controller as in PPO's adaptive KL penalty (Schulman et al., arXiv 1707.06347, section 4), on
// a logarithmic scale: after each step the weight's factor is multiplied by
//
//   exp(gain * clamp(log(kl / target), -1, 1)),  kl = max(this step's, the running mean)
//
// with a gain that is larger upwards than downwards, and never below 1: the user's weight is the
// least. A pure function of the steps taken in, so that a resumed run does the same.
class KlControl {
 public:
  static constexpr double kRise = 0.25, kFall = 0.05, kShare = 0.2;
  // Beyond so many targets in the running mean the run is away: Trainer goes back.
  static constexpr double kAway = 8;

  // The default target for a noise of so many numbers: a Delta of the root mean square
  // sqrt(2 kShareOfNoise) beside the noise's 1.
  static constexpr double kShareOfNoise = 0.01;
  // In force: TrainSpec's, or the default; 0: none, as for a fine-tune, which has no Delta.
  static double target(const SessionSpec& spec, double numbers);

  explicit KlControl(double target) : target_(target) {}

  double target() const { return target_; }
  // What reg_weight is multiplied by in the next step; 1 without a target.
  double factor() const { return factor_; }
  // Takes in a step's mean over its samples.
  void add(double kl);
  bool away() const { return target_ > 0 && mean_ > kAway * target_; }
  // After going back: the mean begins anew, the factor stays.
  void forget() { mean_ = -1; }

  std::array<double, 2> numbers() const { return {factor_, mean_}; }
  void restore(std::span<const double, 2> numbers) {
    factor_ = numbers[0];
    mean_ = numbers[1];
  }

 private:
  double target_;
  double factor_ = 1;
  double mean_ = -1;  // below 0: nothing yet
};

}  // namespace hn::core
