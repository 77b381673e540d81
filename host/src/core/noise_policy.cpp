#include "core/noise_policy.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/host_tensor.hpp"

namespace hn::core {

NoisePolicy::NoisePolicy(std::int64_t samples, std::int64_t pairs, double sigma, double clip,
                         const std::vector<std::int64_t>& noise_shape)
    : sigma_(sigma),
      clip_(clip),
      means_(at::zeros(join_shape({samples}, noise_shape), at::kFloat)),
      values_(at::full({samples, 2 * pairs}, std::numeric_limits<double>::quiet_NaN(),
                       at::TensorOptions(at::kDouble))) {}

bool NoisePolicy::has(std::int64_t sample, std::int64_t count) const {
  return !at::isnan(values_.narrow(0, sample, count)).any().item<bool>();
}

void NoisePolicy::keep(std::int64_t sample, const at::Tensor& mean, const at::Tensor& values) {
  means_.narrow(0, sample, mean.size(0)).copy_(mean);
  values_.narrow(0, sample, mean.size(0)).copy_(values.t());
}

void NoisePolicy::add_gradient(std::int64_t sample, const at::Tensor& mu,
                               const at::Tensor& directions, double share,
                               const at::Tensor& x_grad) const {
  const std::int64_t b = mu.size(0), pairs = directions.size(0);
  const at::Tensor d = mu - means_.narrow(0, sample, b).to(mu.device());
  const at::Tensor wide = d.flatten(1).to(at::kDouble);
  const at::Tensor square = (wide * wide).sum(1).to(at::kCPU);  // [b]
  const at::Tensor along = (directions.flatten(2).to(at::kDouble) * wide)
                               .sum(2)  // [K,b]
                               .to(at::kCPU);
  const at::Tensor v = values_.narrow(0, sample, b);
  const at::Tensor advantage = v - v.mean(1, true);
  std::vector<std::int64_t> ones(static_cast<std::size_t>(mu.dim()), 1);
  ones[0] = b;
  // dL/dmu of a draw is rho A (a - mu) / s^2 = rho A (+-s u - d) / s^2, or nothing where clipped.
  at::Tensor towards_mean = at::zeros({b}, at::kDouble);
  for (std::int64_t k = 0; k < pairs; ++k) {
    at::Tensor slope = at::zeros({b}, at::kDouble);
    for (std::int64_t i = 0; i < b; ++i) {
      for (const double sign : {1.0, -1.0}) {
        const double a = advantage[i][sign > 0 ? k : pairs + k].item<double>();
        const double rho = std::exp(std::min(sign * along[k][i].item<double>() / sigma_ -
                                                 square[i].item<double>() / (2 * sigma_ * sigma_),
                                             50.0));
        if (a > 0 ? rho < 1 - clip_ : rho > 1 + clip_) continue;
        slope[i] += sign * rho * a;
        towards_mean[i] += rho * a;
      }
    }
    slope *= share / (2 * sigma_ * static_cast<double>(pairs));
    x_grad.addcmul_(directions[k], slope.to(x_grad.device(), at::kFloat).view(ones));
  }
  towards_mean *= share / (2 * sigma_ * sigma_ * static_cast<double>(pairs));
  x_grad.addcmul_(d, towards_mean.to(x_grad.device(), at::kFloat).view(ones), -1);
}

}  // namespace hn::core
