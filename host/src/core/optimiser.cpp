#include "core/optimiser.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hn::core {

double learning_rate(const TrainSpec& train, std::uint64_t step) {
  const auto at = static_cast<double>(step);
  const double warm =
      train.warmup > 0 ? std::min(1.0, at / static_cast<double>(train.warmup)) : 1.0;
  if (train.schedule == Schedule::kConstant) return train.lr * warm;
  const auto last = static_cast<double>(train.steps);
  const double start = train.decay_from * last;
  const double done =
      last > start ? std::clamp((at - start) / (last - start), 0.0, 1.0) : (at > last ? 1.0 : 0.0);
  const double fall =
      train.schedule == Schedule::kLinear ? done : 0.5 * (1 - std::cos(std::numbers::pi * done));
  return train.lr * warm * (1 + fall * (train.decay_to - 1));
}

double clip_gradients(const at::Tensor& gradients, double max_norm) {
  const double norm = at::linalg_vector_norm(gradients).item<double>();
  if (max_norm > 0) {
    const double factor = max_norm / (norm + 1e-6);
    if (factor < 1) gradients.mul_(factor);
  }
  return norm;
}

OptimiserState::OptimiserState(const TrainSpec& train, const at::Tensor& values)
    : kind_(train.optimiser),
      beta1_(train.beta1),
      beta2_(train.beta2),
      eps_(train.eps),
      weight_decay_(train.weight_decay),
      momentum_(train.momentum),
      count_(at::zeros({}, values.options())) {
  if (kind_ == Optimiser::kAdamW)
    buffers_ = {{"exp_avg", at::zeros_like(values)}, {"exp_avg_sq", at::zeros_like(values)}};
  else
    buffers_ = {{"momentum_buffer", at::zeros_like(values)}};
}

void OptimiserState::step(at::Tensor& values, const at::Tensor& gradients, double rate) {
  count_.add_(1);
  if (kind_ == Optimiser::kAdamW) {
    at::_fused_adamw_({values}, {gradients}, {buffers_[0].second}, {buffers_[1].second}, {},
                      {count_}, rate, beta1_, beta2_, weight_decay_, eps_, /*amsgrad=*/false,
                      /*maximize=*/false);
    return;
  }
  // From zero, the first product gives the gradient itself, which is how torch.optim.SGD starts.
  at::Tensor& momentum = buffers_[0].second;
  momentum.mul_(momentum_).add_(gradients);
  if (weight_decay_ != 0) momentum.add_(values, weight_decay_);
  values.add_(momentum, -rate);
}

std::int64_t OptimiserState::updates() const {
  return static_cast<std::int64_t>(count_.item<double>());
}

void OptimiserState::set_updates(std::int64_t updates) {
  count_.fill_(static_cast<double>(updates));
}

void OptimiserState::begin_anew() {
  for (auto& [name, buffer] : buffers_) buffer.zero_();
  set_updates(0);
}

}  // namespace hn::core
