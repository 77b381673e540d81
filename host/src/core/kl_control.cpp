#include "core/kl_control.hpp"

#include <algorithm>
#include <cmath>

namespace hn::core {

double KlControl::target(const SessionSpec& spec, double numbers) {
  if (!is_noise_net(spec.net.kind)) return 0;
  return spec.train.kl_target == kAutoKlTarget ? kShareOfNoise * numbers : spec.train.kl_target;
}

void KlControl::add(double kl) {
  if (target_ <= 0 || !std::isfinite(kl)) return;
  mean_ = mean_ < 0 ? kl : mean_ + kShare * (kl - mean_);
  const double worse = std::max(std::max(kl, mean_), 1e-12 * target_);
  const double error = std::clamp(std::log(worse / target_), -1.0, 1.0);
  factor_ = std::clamp(factor_ * std::exp((error > 0 ? kRise : kFall) * error), 1.0, 1e6);
}

}  // namespace hn::core
