// The training loss and its gradients, written out: docs/numerics.md, section 1.
//
//   L = mean over samples of [ R(x0, delta) + sum_k weight_k (target_k - scale_k score_k) ]
//
// Everything here is per sample; the trainer divides by the number of samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/session.hpp"

namespace hn::core {

struct RegulariserTerms {
  at::Tensor half_square;  // [B] float64: sum(delta^2) / 2, the paper's KL term
  at::Tensor value;        // [B] float64: R, with reg_weight
};

// R and its gradient. delta, x0: float32 [B, ...], d numbers a sample. gradient (float32, delta's
// shape) gets gradient_scale * dR/d delta added.
//
//   kMean   reg/2 * mean(delta^2)   the released code (bbe3ab4): weaker than the paper's by d
//   kPaper  reg/2 * sum(delta^2)    arXiv 2508.09968, the KL bound
//   kNorm   reg * (x^2/2 - (d-1) log|x|  less its minimum), x = x0 + delta: minus the log density
//           of the norm of a standard normal (ReNO)
RegulariserTerms regulariser(Regulariser kind, double reg_weight, const at::Tensor& x0,
                             const at::Tensor& delta, double gradient_scale, at::Tensor& gradient);

// dL_b / d score_b of one reward: -weight * loss_scale.
inline double score_gradient(const RewardSpec& reward) {
  return -reward.weight * reward.loss_scale;
}
// weight * (target - scale * score): what the reward adds to the loss.
inline double score_loss(const RewardSpec& reward, double score) {
  return reward.weight * (reward.loss_target - reward.loss_scale * score);
}

}  // namespace hn::core
