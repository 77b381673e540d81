// Tells a step whose gradient is far beyond what is usual, and how much of it is to be used.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace hn::core {

// The running norm is that of the last steps, geometric, each step taken in at most as the limit:
// one outlier neither moves it nor hides the next.
class GradientWatch {
 public:
  static constexpr double kShare = 0.1;
  static constexpr double kEnough = 10;  // steps before anything is called an outlier

  // times: of the running norm that are still usual; 0: off.
  explicit GradientWatch(double times) : times_(times) {}

  // The norm up to which a gradient is usual; infinite while that is not known.
  double limit() const;
  // 1 for a usual norm; beyond the limit, limit / norm: what the clipped gradient is multiplied
  // by, so that a step counts the less the farther out it is.
  double share(double norm) const;
  void add(double norm);

  std::array<double, 2> numbers() const { return {steps_, log_norm_}; }
  void restore(std::span<const double, 2> numbers) {
    steps_ = numbers[0];
    log_norm_ = numbers[1];
  }

 private:
  double times_;  // 0: off
  double steps_ = 0, log_norm_ = 0;
};

// The same for the samples of a batch, whose norms differ by themselves, often by orders of
// magnitude: an outlier is so many deviations of the logarithm beyond its mean. A cut by the mean
// alone would weaken the rewards against the regulariser wherever norms differ much.
class SampleWatch {
 public:
  static constexpr double kShare = 0.1;  // of a step
  static constexpr double kEnough = 5;   // steps before anything is cut
  static constexpr double kLeastDeviation = 0.1;

  // deviations: that are still usual; 0: off.
  explicit SampleWatch(double deviations) : deviations_(deviations) {}

  double limit() const;
  // The norms of one step's samples, each taken in at most as the limit.
  void add(std::span<const double> norms);

  std::array<double, 3> numbers() const { return {steps_, mean_, variance_}; }
  void restore(std::span<const double, 3> numbers) {
    steps_ = numbers[0];
    mean_ = numbers[1];
    variance_ = numbers[2];
  }

 private:
  double deviations_;
  double steps_ = 0, mean_ = 0, variance_ = 0;  // of the logarithm
};

}  // namespace hn::core
