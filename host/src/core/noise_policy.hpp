// Scores of rewards without a gradient, used for more than one step: the noise network as a policy.
//
// The policy draws x ~ N(mu, s^2 I) with mu = x0 + f(x0, prompt). Its draws are ZerothOrder's pairs
// a = m +- s u_k around the mean m that was in force when they were scored; the next steps of the
// same samples weigh each score by how much likelier the draw has become, up to a clip:
//
//   rho = p(a; mu) / p(a; m) = exp(+-u.d / s - |d|^2 / (2 s^2)),    d = mu - m
//   L = 1/(2 K) sum max(rho A, clamp(rho, 1 - c, 1 + c) A),    A = v(a) - mean of v
//
// v is a part of the loss, so that the worse of the two is the greater one. Where mu = m the
// gradient is ZerothOrder's to the bit: the pairs take the mean out. Source: Miao, Loh, Poupart and
// Kothawade, "A Minimalist Method for Fine-tuning Text-to-Image Diffusion Models" (Noise PPO),
// arXiv 2506.12036, and the clipped objective of Schulman et al., arXiv 1707.06347. Differences:
// the policy's mean moves with the noise and not with the prompt alone, its deviation is fixed, and
// the advantage is neither learned nor divided by its deviation, so that rewards and KL term stay
// in the balance of their weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace hn::core {

class NoisePolicy {
 public:
  // samples: of one optimiser step. pairs: K. sigma: s. clip: c.
  NoisePolicy(std::int64_t samples, std::int64_t pairs, double sigma, double clip,
              const std::vector<std::int64_t>& noise_shape);

  // Whether these samples, counted in their step, have scores.
  bool has(std::int64_t sample, std::int64_t count) const;
  // Takes the mean float32 [b,C,h,w] and the scores float64 [2K,b], m + s u_k before m - s u_k.
  void keep(std::int64_t sample, const at::Tensor& mean, const at::Tensor& values);
  // Adds share * dL/dmu to x_grad [b,C,h,w]. directions: float32 [K,b,C,h,w], as they were when the
  // draws were scored.
  void add_gradient(std::int64_t sample, const at::Tensor& mu, const at::Tensor& directions,
                    double share, const at::Tensor& x_grad) const;

  // For checkpoints: float32 [samples,C,h,w] and float64 [samples,2K] on the CPU; NaN: no scores.
  at::Tensor& means() { return means_; }
  at::Tensor& values() { return values_; }

 private:
  double sigma_, clip_;
  at::Tensor means_, values_;
};

}  // namespace hn::core
