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
  if (deviations_ <= 0 || steps_ < kEnough) return std::numeric_limits<double>::infinity();
  return std::exp(mean_ + deviations_ * std::max(kLeastDeviation, std::sqrt(variance_)));
}

void SampleWatch::add(std::span<const double> norms) {
  if (deviations_ <= 0) return;
  const double most = limit();
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
  variance_ = (1 - share) * variance_ + share * squares / count - shift * shift;
  variance_ = std::max(0.0, variance_);
  mean_ += shift;
}

}  // namespace hn::core
