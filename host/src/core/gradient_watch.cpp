#include "core/gradient_watch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hn::core {

double GradientWatch::limit() const {
  return times_ > 0 && steps_ >= kEnough ? times_ * std::exp(log_norm_)
                                         : std::numeric_limits<double>::infinity();
}

double GradientWatch::share(double norm) const {
  const double most = limit();
  return norm <= most ? 1 : most / norm;
}

void GradientWatch::add(double norm) {
  // Exactly zero says nothing of the usual size: no reward ran, or none has a gradient.
  if (times_ <= 0 || !(norm > 0)) return;
  const double taken = std::log(std::min(norm, limit()));
  // The plain mean up to 1 / kShare steps.
  steps_ += 1;
  log_norm_ += std::max(kShare, 1 / steps_) * (taken - log_norm_);
}

double SampleWatch::limit() const {
  return times_ > 0 && steps_ >= kEnough ? times_ * std::exp(mean_)
                                         : std::numeric_limits<double>::infinity();
}

double SampleWatch::usual_limit() const {
  if (steps_ < kEnough) return std::numeric_limits<double>::infinity();
  const double deviation = std::max(kLeastDeviation, std::sqrt(variance_));
  return std::max(limit(), std::exp(mean_ + kUsualDeviations * deviation));
}

double SampleWatch::push() const { return cut_ > 0 ? std::max(1.0, usual_ / cut_) : 1; }

void SampleWatch::add(std::span<const double> norms) {
  if (times_ <= 0) return;
  const double most = usual_limit();
  double sum = 0, squares = 0, count = 0;
  for (const double norm : norms) {
    // Exactly zero says nothing of the usual size.
    if (!(norm > 0)) continue;
    const double taken = std::log(std::min(norm, most)) - mean_;
    sum += taken;
    squares += taken * taken;
    count += 1;
  }
  if (count == 0) return;
  // Moments about the old mean, moved to the new one; plain means over the first 1 / kShare steps.
  steps_ += 1;
  const double share = std::max(kShare, 1 / steps_), shift = share * sum / count;
  variance_ = std::max(0.0, (1 - share) * variance_ + share * squares / count - shift * shift);
  mean_ += shift;
  // Both means by the limits of now, so that they are of the same samples.
  if (steps_ < kEnough) return;
  const double most_usual = usual_limit(), most_cut = limit();
  double usual = 0, cut = 0;
  for (const double norm : norms) {
    usual += std::min(norm, most_usual);
    cut += std::min(norm, most_cut);
  }
  const double part = cut_ > 0 ? kShare : 1;
  usual_ += part * (usual / count - usual_);
  cut_ += part * (cut / count - cut_);
}

void SampleWatch::restore(std::span<const double, kNumbers> numbers) {
  steps_ = numbers[0];
  mean_ = numbers[1];
  variance_ = numbers[2];
  usual_ = numbers[3];
  cut_ = numbers[4];
}

}  // namespace hn::core
