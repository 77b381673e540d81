// The learning rate's schedule, gradient clipping, AdamW and SGD, as torch.optim 2.11 computes
// them.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"

namespace hn::core {

// The rate of optimiser step `step` (1 = the first): rises linearly over the warm-up, stays, and
// for kLinear and kCosine falls from decay_from * steps on, to decay_to * lr at the last step and
// after.
double learning_rate(const TrainSpec& train, std::uint64_t step);

// Scales gradients in place so that their norm is at most max_norm (torch.nn.utils.clip_grad_norm_:
// factor max_norm / (norm + 1e-6), never above 1). Returns the norm before; max_norm 0 only
// measures.
double clip_gradients(const at::Tensor& gradients, double max_norm);

// One flat float32 parameter with its state. AdamW: decoupled weight decay, bias correction.
// SGD: heavy-ball momentum without dampening or Nesterov, weight decay added to the gradient.
class OptimiserState {
 public:
  OptimiserState(const TrainSpec& train, const at::Tensor& values);

  void step(at::Tensor& values, const at::Tensor& gradients, double rate);

  // Flat buffers by torch.optim's names ("exp_avg", "exp_avg_sq" | "momentum_buffer"), to be saved
  // and restored in place.
  const std::vector<std::pair<std::string, at::Tensor>>& buffers() const { return buffers_; }
  std::int64_t updates() const;
  void set_updates(std::int64_t updates);
  // As new: every buffer zero, no update yet.
  void begin_anew();

 private:
  Optimiser kind_;
  double beta1_, beta2_, eps_, weight_decay_, momentum_;
  std::vector<std::pair<std::string, at::Tensor>> buffers_;
  at::Tensor count_;  // float32 scalar, as the fused kernel wants it
};

}  // namespace hn::core
