#include "core/zeroth_order.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/random.hpp"
#include "core/shared_resize.hpp"

namespace hn::core {

void ZerothOrder::require_trainable(const RewardModel& reward, const TrainSpec& train,
                                    NetKind net) {
  if (!reward.spec().train || reward.differentiable()) return;
  const std::string who = "[reward " + reward.spec().name + "] is score-only: it gives no gradient";
  if (train.zeroth_order == 0)
    throw Error(HN_UNSUPPORTED, who +
                                    ", so it can be measured (train = false), or trained on by its "
                                    "scores alone (train.zeroth_order = 8)");
  if (net == NetKind::kFinetune)
    throw Error(HN_UNSUPPORTED, who +
                                    ", and train.zeroth_order finds one by the noise, which a "
                                    "fine-tune of the generator does not move");
}

void ZerothOrder::require_policy(std::span<const std::unique_ptr<RewardModel>> rewards,
                                 const TrainSpec& train) {
  if (train.policy_epochs == 1) return;
  const auto refuse = [&](const std::string& where) {
    throw Error(HN_INVALID_ARGUMENT, "[configuration] train.policy_epochs: expected 1 where " +
                                         where + ", got " + std::to_string(train.policy_epochs));
  };
  bool trained = false, any = false;
  for (const auto& reward : rewards) {
    if (!reward->spec().train) continue;
    trained = true;
    if (reward->differentiable()) continue;
    any = true;
    if (reward->spec().every != 1)
      refuse("reward " + reward->spec().name + " does not run at each step");
  }
  if (trained && !any) refuse("no score-only reward is trained on");
}

ZerothOrder::ZerothOrder(GeneratorModel& generator,
                         std::vector<std::unique_ptr<RewardModel>>& rewards, const Adapter& adapter,
                         const TrainSpec& train, PromptCache& prompts, at::Device device)
    : train_(train),
      prompts_(prompts),
      generate_(generator.generate()),
      slots_(GeneratorModel::slots(*generate_.fn)),
      image_shape_(generator.image_shape()) {
  for (std::size_t k = 0; k < rewards.size(); ++k) {
    RewardModel& reward = *rewards[k];
    if (!reward.spec().train || reward.differentiable()) continue;
    rewards_.push_back({k, &reward, BoundFunction(reward.score())});
  }
  const std::vector<std::int64_t>& noise = generator.noise_shape();
  if (any() && train.policy_epochs > 1)
    policy_.emplace(train.batch * train.accumulation, train.zeroth_order, train.zeroth_order_sigma,
                    train.policy_clip, noise);
  if (adapter.net().kind != NetKind::kLowFrequency) return;
  frequencies_ = adapter.net().frequencies;
  subspace_.emplace(frequencies_, noise.at(1), noise.at(2),
                    at::TensorOptions(at::kFloat).device(device));
}

at::Tensor ZerothOrder::directions(const ChainBatch& batch, const at::Tensor& x) const {
  const std::int64_t b = x.size(0), pairs = train_.zeroth_order;
  std::vector<std::int64_t> one(x.sizes().begin() + 1, x.sizes().end());
  if (subspace_) one[1] = one[2] = frequencies_;
  at::Tensor drawn = at::empty(join_shape({b, pairs}, one), at::kFloat);
  const auto numbers = static_cast<std::size_t>(drawn[0][0].numel());
  for (std::int64_t i = 0; i < b; ++i)
    for (std::int64_t k = 0; k < pairs; ++k)
      fill_normal({drawn[i][k].data_ptr<float>(), numbers}, batch.rng_seed, Stream::kZerothOrder,
                  batch.first + static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(k));
  // More directions than numbers cannot all be orthogonal.
  if (pairs > 1 && pairs <= static_cast<std::int64_t>(numbers)) {
    const at::Tensor columns = drawn.flatten(2).transpose(1, 2).to(at::kDouble);  // [b,N,K]
    const at::Tensor lengths = at::linalg_vector_norm(columns, 2, at::IntArrayRef{1}, true);
    auto [q, r] = at::linalg_qr(columns, "reduced");
    // With the signs of the first column's direction, so that each is a rotated normal.
    const at::Tensor signs = at::sign(at::diagonal(r, 0, 1, 2)).unsqueeze(1);
    drawn = (q * signs * lengths).transpose(1, 2).reshape(drawn.sizes()).to(at::kFloat);
  }
  drawn = drawn.transpose(0, 1).contiguous().to(x.device());  // [K,b,...]
  if (!subspace_) return drawn;
  at::Tensor all = at::empty(join_shape({pairs}, x.sizes().vec()), x.options());
  for (std::int64_t k = 0; k < pairs; ++k) all[k].copy_(subspace_->pictures(drawn[k]));
  return all;
}

at::Tensor ZerothOrder::value(const ChainBatch& batch, const at::Tensor& x,
                              std::span<const hn_cond* const> cond,
                              std::span<const RewardTurn> turns) {
  const std::int64_t b = x.size(0);
  const at::Tensor image = at::empty(join_shape({b}, image_shape_), x.options());
  generate_.in[slots_.noise] = x;
  if (slots_.step_noise >= 0)
    generate_.in[static_cast<std::size_t>(slots_.step_noise)] = batch.step_noise;
  generate_.out[slots_.image] = image;
  generate_.rng_seed = batch.rng_seed;
  generate_.rng_offset = batch.first;
  generate_.forward(cond, false);
  require_finite_rows(image, "image", batch.prompts);
  at::Tensor sum = at::zeros({b}, at::kDouble);
  for (Reward& r : rewards_) {
    const RewardTurn& turn = turns[r.index];
    const std::int64_t count =
        turn.batch == 0 ? b : std::clamp<std::int64_t>(turn.batch - batch.position, 0, b);
    if (!turn.run || turn.slope == 0 || count == 0) continue;
    const std::int64_t edge = r.model->spec().resize;
    at::Tensor seen = image.narrow(0, 0, count);
    if (edge > 0 && (image.size(2) != edge || image.size(3) != edge))
      seen = SharedResize(seen, edge).resized();
    const std::span<const Prompt> prompts = batch.prompts.first(static_cast<std::size_t>(count));
    const at::Tensor scores =
        at::empty({count}, at::TensorOptions(at::kFloat).device(r.model->device()));
    r.score.in[r.model->image_slot()] = seen.to(r.model->device()).contiguous();
    r.score.out[r.model->score_slot()] = scores;
    const PromptCache::Pins pins = prompts_.get(r.model->instance(), prompts);
    r.score.forward(pins.handles(), false);
    require_finite_rows(scores, "reward " + r.model->spec().name, prompts);
    sum.narrow(0, 0, count).add_(scores.to(at::kCPU, at::kDouble), turn.slope);
  }
  return sum;
}

void ZerothOrder::add_gradient(const ChainBatch& batch, const at::Tensor& x,
                               std::span<const hn_cond* const> cond,
                               std::span<const RewardTurn> turns, double share,
                               const at::Tensor& x_grad, ChainTotals& totals) {
  const double sigma = train_.zeroth_order_sigma;
  if (policy_ && batch.use > 0 && policy_->has(batch.sample, x.size(0)))
    return policy_->add_gradient(batch.sample, x, directions(batch, x), share, x_grad);
  const bool runs = std::any_of(rewards_.begin(), rewards_.end(), [&](const Reward& r) {
    return turns[r.index].run && turns[r.index].slope != 0;
  });
  if (!runs) return;
  const at::Tensor all = directions(batch, x);
  const std::int64_t pairs_kept = all.size(0);
  const auto pairs = static_cast<double>(all.size(0));
  std::vector<std::int64_t> ones(static_cast<std::size_t>(x.dim()), 1);
  ones[0] = x.size(0);
  const at::Tensor kept =
      policy_ ? at::empty({2 * pairs_kept, x.size(0)}, at::kDouble) : at::Tensor();
  for (std::int64_t k = 0; k < all.size(0); ++k) {
    const at::Tensor step = all[k] * sigma;
    const at::Tensor above = value(batch, x + step, cond, turns),
                     below = value(batch, x - step, cond, turns), difference = above - below;
    if (policy_) {
      kept[k].copy_(above);
      kept[pairs_kept + k].copy_(below);
    }
    const at::Tensor slope =
        (difference * (share / (2 * sigma * pairs))).to(x.device(), at::kFloat);
    x_grad.addcmul_(all[k], slope.view(ones));
    totals.probes += 2 * static_cast<std::uint64_t>(x.size(0));
  }
  if (policy_) policy_->keep(batch.sample, x, kept);
}

}  // namespace hn::core
