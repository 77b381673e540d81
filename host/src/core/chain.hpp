// One micro batch through the whole chain and back, by the plugins' explicit derivatives:
//
//   x0 -> delta = f(x0, prompt) -> x = x0 + delta -> image = generate(x) -> score_k(image) -> L
//   dL/d score_k -> dL/d image -> dL/dx -> dL/d delta = dL/dx + dR/d delta -> gradients of f's
//   parameters
//
// Fine-tuning: the LoRA sits on generate itself, x = x0, no R.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bound_function.hpp"
#include "core/models.hpp"
#include "core/noise_net.hpp"
#include "core/prompt_cache.hpp"
#include "core/reward_state.hpp"

namespace hn::core {

// What a step does with one reward.
struct RewardTurn {
  bool run = true;
  bool check_prompts = false;   // also score exchanged prompts, see RewardStates
  bool check_gradient = false;  // look whether its own gradient is zero
  bool check_mixing = false;    // also score the first sample alone
  double slope = 0;        // dL / d score of a sample that it sees, without `share`; 0: no backward
  std::int64_t batch = 0;  // it sees the first so many samples of an optimiser batch; 0: all
};

// Over the samples of a step.
struct ChainTotals {
  std::vector<StepScores> rewards;
  double half_square = 0, regulariser = 0;  // sums
  // Norm of each sample's reward gradient with respect to its noise, before it was cut.
  std::vector<double> noise_gradients;
  std::uint64_t probes = 0;  // pictures drawn for rewards without a gradient
};

struct ChainBatch {
  at::Tensor x0;                    // float32 [b,C,h,w] on the device
  at::Tensor step_noise;            // [n-1,b,C,h,w], undefined without such a slot
  std::span<const Prompt> prompts;  // b
  double reg_weight = 0;            // of the regulariser
  // Most norm of the rewards' gradient with respect to one sample's noise: longer ones are cut to
  // it, and then all are multiplied by the push.
  double noise_gradient_limit = std::numeric_limits<double>::infinity();
  double noise_gradient_push = 1;
  std::uint64_t rng_seed = 0, first = 0;  // first: the number of the first sample
  std::int64_t position = 0;              // of the first sample in its optimiser batch
  std::int64_t sample = 0;                // of the first sample in its step
  std::int64_t use = 0;  // how many steps had these samples before: train.policy_epochs
};

class NoisePolicy;
class ZerothOrder;

class Chain {
 public:
  // batch: the most samples of one run(). Everything is borrowed.
  Chain(GeneratorModel& generator, std::vector<std::unique_ptr<RewardModel>>& rewards,
        const Adapter& adapter, const TrainSpec& train, PromptCache& prompts, at::Device device,
        std::int64_t batch);
  ~Chain();

  // turns: one a reward. share: of one sample in the loss, 1 / samples of the optimiser step. add:
  // to the adapter's gradients, instead of overwriting them. Errors: NotFinite, HN_CANCELLED
  // between stages, those of the plugins.
  void run(const ChainBatch& batch, std::span<const RewardTurn> turns, double share, bool add,
           ChainTotals& totals);
  // ZerothOrder::policy().
  NoisePolicy* policy();

 private:
  struct RewardBuffers {
    RewardModel* model;
    BoundFunction score;
    at::Tensor scores, cotangent;  // [batch]
  };
  void stop_if_cancelled() const;
  // Takes down the norm of each sample's gradient, cuts what is beyond the batch's limit and gives
  // all of them the batch's push.
  static void limit_samples(const ChainBatch& batch, double share, at::Tensor& x_grad,
                            ChainTotals& totals);
  // Once, with the first batch, when a budget is set.
  void share_memory(const at::Tensor& x0, std::span<const hn_cond* const> cond);
  at::Tensor rows(const at::Tensor& buffer, std::int64_t count) const;
  // False when no reward has a gradient to give.
  bool score_image(const ChainBatch& batch, const at::Tensor& image,
                   std::span<const RewardTurn> turns, double share, const at::Tensor& image_grad,
                   ChainTotals& totals);
  // For a reward that is only measured: true where it cannot answer some of the prompts. `answered`
  // and `pictures` are then those that are left, and the step says how many are not.
  bool leave_out_unanswered(RewardBuffers& reward, std::span<const Prompt> prompts,
                            std::vector<Prompt>& answered, at::Tensor& pictures, StepScores& step);
  // The first sample's score alone, when that is another than `scores` has for it.
  std::optional<double> score_alone(RewardBuffers& reward, const at::Tensor& pictures,
                                    std::span<const hn_cond* const> cond, const at::Tensor& scores);
  // True when the reward gives these pictures the same scores with the prompts exchanged.
  bool blind_to_prompts(RewardBuffers& reward, std::span<const Prompt> prompts,
                        const at::Tensor& scores);

  GeneratorModel& generator_;
  const TrainSpec& train_;
  PromptCache& prompts_;
  bool memory_shared_ = false;
  std::unique_ptr<NoiseNet> net_;  // NULL: fine-tuning, which uses generate_ alone
  BoundFunction generate_;
  GeneratorModel::GenerateSlots slots_;
  std::vector<RewardBuffers> rewards_;
  std::unique_ptr<ZerothOrder> zeroth_order_;
  bool follows_gradients_ = true;  // some reward is trained on by its own gradient
  at::Tensor delta_, x_, x_grad_, image_, image_grad_;
};

}  // namespace hn::core
