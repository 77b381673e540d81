#include "core/kl_control.hpp"

#include <algorithm>
#include <cmath>

namespace hn::core {

double KlControl::target(const SessionSpec& spec, double numbers) {
  if (!is_noise_net(spec.net.kind)) return 0;
  return spec.train.kl_target == kAutoKlTarget ? kShareOfNoise * numbers : spec.train.kl_target;
}

double KlControl::factor() const {
  if (target_ <= 0) return 1;
  const double now = std::pow(std::max(1.0, mean_ / target_), kPower);
  return std::min(kMost, std::exp(rise_) * now);
}

void KlControl::add(double kl) {
  if (target_ <= 0 || !std::isfinite(kl)) return;
  mean_ = mean_ < 0 ? kl : mean_ + kShare * (kl - mean_);
  const double error = std::clamp(std::log(std::max(mean_, 1e-12 * target_) / target_), -1.0, 1.0);
  rise_ = std::clamp(rise_ + kGain * error, 0.0, std::log(kMost));
}

}  // namespace hn::core
