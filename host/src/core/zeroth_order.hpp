// The gradient by the noise of rewards that give none: from their scores at noises around it.
//
//   g_b = 1/(2 K s) sum_k (v(x_b + s u_bk) - v(x_b - s u_bk)) u_bk,    u_bk ~ N(0, I)
//
// v = sum over the score-only rewards that are trained on, as the loss has them. Without bias for
// the gradient of v smoothed by N(0, s^2 I); the pairs take out every even term, and the K
// directions of a sample are orthogonal to one another, each with a length of its own, which takes
// out what they would have in common. Where the noise network moves low frequencies alone the
// directions lie there: what is left out would not reach its numbers. Sources: Nesterov and
// Spokoiny, "Random gradient-free minimization of convex functions", 2017; Choromanski et al.,
// "Structured evolution with compact architectures", arXiv 1804.02395.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/bound_function.hpp"
#include "core/chain.hpp"
#include "core/dct.hpp"
#include "core/noise_policy.hpp"

namespace hn::core {

class ZerothOrder {
 public:
  // HN_UNSUPPORTED where the reward is to be trained on, gives no gradient, and train.zeroth_order
  // is 0 or there is no noise network.
  static void require_trainable(const RewardModel& reward, const TrainSpec& train, NetKind net);

  // HN_INVALID_ARGUMENT where train.policy_epochs is above 1 and there is nothing to use again: the
  // rewards that are trained on all have gradients, or one without does not run at each step.
  static void require_policy(std::span<const std::unique_ptr<RewardModel>> rewards,
                             const TrainSpec& train);

  // Everything is borrowed; every reward is trainable.
  ZerothOrder(GeneratorModel& generator, std::vector<std::unique_ptr<RewardModel>>& rewards,
              const Adapter& adapter, const TrainSpec& train, PromptCache& prompts,
              at::Device device);

  // Whether any reward is trained on so.
  bool any() const { return !rewards_.empty(); }
  // What scores are kept in for further steps; NULL where each step draws its own.
  NoisePolicy* policy() { return policy_ ? &*policy_ : nullptr; }
  // Adds share * sum_b dL/dx_b to x_grad, both [b,C,h,w]; x is what the generator got. Directions
  // are functions of the seed and the sample's number. Errors: NotFinite, those of the plugins.
  void add_gradient(const ChainBatch& batch, const at::Tensor& x,
                    std::span<const hn_cond* const> cond, std::span<const RewardTurn> turns,
                    double share, const at::Tensor& x_grad, ChainTotals& totals);

 private:
  struct Reward {
    std::size_t index;
    RewardModel* model;
    BoundFunction score;
  };
  at::Tensor directions(const ChainBatch& batch, const at::Tensor& x) const;  // [K,b,C,h,w]
  // sum over rewards of slope * score, [b] in float64 on the CPU.
  at::Tensor value(const ChainBatch& batch, const at::Tensor& x,
                   std::span<const hn_cond* const> cond, std::span<const RewardTurn> turns);

  const TrainSpec& train_;
  PromptCache& prompts_;
  BoundFunction generate_;
  GeneratorModel::GenerateSlots slots_;
  std::vector<std::int64_t> image_shape_;
  std::optional<LowFrequencies> subspace_;
  std::int64_t frequencies_ = 0;
  std::vector<Reward> rewards_;
  std::optional<NoisePolicy> policy_;
};

}  // namespace hn::core
