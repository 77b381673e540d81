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

// The same for the samples of a batch. Their norms differ by themselves, often by orders of
// magnitude, and a sum over them is what the two or three largest say; yet a large norm tells that
// the generator bends sharply there, not that much is to be gained. So each is cut at a multiple of
// the geometric mean. What the cut takes from the sum of all norms is given back to all samples by
// one factor, the push: the balance of the rewards with the regulariser stays what their weights
// say, also for a reward whose gradient lies in few samples by its nature.
class SampleWatch {
 public:
  static constexpr double kShare = 0.1;  // of a step
  static constexpr double kEnough = 5;   // steps before anything is cut
  // A norm so many deviations of the logarithm beyond its mean says nothing of the usual sum.
  static constexpr double kUsualDeviations = 3;
  static constexpr double kLeastDeviation = 0.1;

  // times: of the geometric mean that a norm may be; 0: off.
  explicit SampleWatch(double times) : times_(times) {}

  // The norm that a sample's gradient is cut to; infinite while that is not known.
  double limit() const;
  // What every sample's gradient is multiplied by after the cut, at least 1.
  double push() const;
  // The norms of one step's samples.
  void add(std::span<const double> norms);

  static constexpr std::size_t kNumbers = 5;
  std::array<double, kNumbers> numbers() const { return {steps_, mean_, variance_, usual_, cut_}; }
  void restore(std::span<const double, kNumbers> numbers);

 private:
  double usual_limit() const;

  double times_;
  double steps_ = 0, mean_ = 0, variance_ = 0;  // of the logarithm
  double usual_ = 0, cut_ = 0;                  // mean norms: up to the usual limit, after the cut
};

}  // namespace hn::core
