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

void GradientWatch::add(std::span<const double> norms) {
  double sum = 0, count = 0;
  for (const double norm : norms) {
    if (!(norm > 0)) continue;
    sum += std::log(norm);
    count += 1;
  }
  if (count > 0) add(std::exp(sum / count));
}

}  // namespace hn::core
