// Holds 0.5 sum(delta^2), the paper's KL term, at a target by raising the regulariser's weight.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/session.hpp"

namespace hn::core {

// The weight's factor, never below 1 (the user's weight is the least), is a proportional and an
// integral part of how far the running mean of the KL term is from the target:
//
//   factor = exp(rise) * max(1, kl / target)^kPower
//   rise  += kGain * clamp(log(kl / target), -1, 1) after each step, never below 0
//
// The first acts at once and is gone with its cause, as a barrier; the second is the slow
// controller of PPO's adaptive KL penalty (Schulman et al., arXiv 1707.06347, section 4). An
// integral part alone winds up: delta follows the weight some twenty steps late. A pure function of
// the steps taken in, so that a resumed run does the same.
class KlControl {
 public:
  static constexpr double kGain = 0.03, kPower = 2, kShare = 0.2;
  static constexpr double kMost = 1e6;  // of the factor
  // Beyond so many targets in the running mean the run is away: Trainer goes back.
  static constexpr double kAway = 8;

  // The default target for a noise of so many numbers: a Delta of the root mean square
  // sqrt(2 kShareOfNoise) beside the noise's 1.
  static constexpr double kShareOfNoise = 0.005;
  // In force: TrainSpec's, or the default; 0: none, as for a fine-tune, which has no Delta.
  static double target(const SessionSpec& spec, double numbers);

  explicit KlControl(double target) : target_(target) {}

  double target() const { return target_; }
  // What reg_weight is multiplied by in the next step; 1 without a target.
  double factor() const;
  // Takes in a step's mean over its samples.
  void add(double kl);
  bool away() const { return target_ > 0 && mean_ > kAway * target_; }
  // After going back: the mean begins anew, the rise stays.
  void forget() { mean_ = -1; }

  std::array<double, 2> numbers() const { return {rise_, mean_}; }
  void restore(std::span<const double, 2> numbers) {
    rise_ = numbers[0];
    mean_ = numbers[1];
  }

 private:
  double target_;
  double rise_ = 0;
  double mean_ = -1;  // below 0: nothing yet
};

}  // namespace hn::core
