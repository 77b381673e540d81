#include "core/chain.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/loss.hpp"
#include "core/memory_budget.hpp"
#include "core/shared_resize.hpp"
#include "core/zeroth_order.hpp"

namespace hn::core {
namespace {

// The batch at `edge` pixels, made when it is first wanted; NULL where the image has that size or
// no resize is asked for.
SharedResize* resized_for(std::int64_t edge, const at::Tensor& image,
                          std::vector<std::unique_ptr<SharedResize>>& made) {
  if (edge == 0 || (image.size(2) == edge && image.size(3) == edge)) return nullptr;
  for (const auto& each : made)
    if (each->edge() == edge) return each.get();
  made.push_back(std::make_unique<SharedResize>(image, edge));
  return made.back().get();
}

FunctionClient& base(GeneratorModel& generator, bool finetune) {
  return finetune ? *generator.adapted() : generator.generate();
}

}  // namespace

Chain::Chain(GeneratorModel& generator, std::vector<std::unique_ptr<RewardModel>>& rewards,
             const Adapter& adapter, const TrainSpec& train, PromptCache& prompts,
             at::Device device, std::int64_t batch)
    : generator_(generator),
      train_(train),
      prompts_(prompts),
      net_(is_noise_net(adapter.net().kind)
               ? make_noise_net(generator, adapter, NoiseGradient::kParameters)
               : nullptr),
      generate_(base(generator, net_ == nullptr)),
      slots_(GeneratorModel::slots(*generate_.fn)) {
  const auto buffer_on = [&](at::Device where, const std::vector<std::int64_t>& shape) {
    return at::empty(join_shape({batch}, shape), at::TensorOptions(at::kFloat).device(where));
  };
  const auto buffer = [&](const std::vector<std::int64_t>& shape) {
    return buffer_on(device, shape);
  };
  zeroth_order_ =
      std::make_unique<ZerothOrder>(generator, rewards, adapter, train, prompts, device);
  // By scores alone any generator can be trained, one without a gradient too.
  follows_gradients_ =
      !zeroth_order_->any() || std::any_of(rewards.begin(), rewards.end(), [](const auto& reward) {
        return reward->spec().train && reward->differentiable();
      });
  if (follows_gradients_ && (!generate_.fn->outputs()[slots_.image].diff() ||
                             (net_ && !generate_.fn->inputs()[slots_.noise].diff())))
    throw Error(HN_UNSUPPORTED,
                generator.instance().name() +
                    ": generate gives no gradient, so it cannot be trained through");
  image_ = buffer(generator.image_shape());
  image_grad_ = buffer(generator.image_shape());
  if (!net_) {
    generate_.bind(adapter, true);
  } else {
    generate_.need_grad[slots_.noise] = follows_gradients_ ? 1 : 0;
    delta_ = buffer(generator.noise_shape());
    x_ = buffer(generator.noise_shape());
    x_grad_ = buffer(generator.noise_shape());
  }
  for (const auto& reward : rewards)
    rewards_.push_back({reward.get(), BoundFunction(reward->score()),
                        buffer_on(reward->device(), {}), buffer_on(reward->device(), {})});
}

Chain::~Chain() = default;

NoisePolicy* Chain::policy() { return zeroth_order_->policy(); }

void Chain::stop_if_cancelled() const {
  generator_.instance().runtime().services.stop_if_cancelled("train_step");
}

void Chain::share_memory(const at::Tensor& x0, std::span<const hn_cond* const> cond) {
  memory_shared_ = true;
  std::vector<Need> needs{need_of(generate_, cond)};
  if (net_) needs.push_back(net_->need(x0, cond, rows(delta_, x0.size(0))));
  const auto shares = share_budget(train_.memory_budget, needs);
  generate_.saved_budget = shares[0];
  if (net_) net_->set_saved_budget(shares[1]);
}

at::Tensor Chain::rows(const at::Tensor& buffer, std::int64_t count) const {
  return buffer.size(0) == count ? buffer : buffer.narrow(0, 0, count);
}

bool Chain::blind_to_prompts(RewardBuffers& r, std::span<const Prompt> prompts,
                             const at::Tensor& scores) {
  std::vector<Prompt> turned(prompts.begin(), prompts.end());
  std::rotate(turned.begin(), turned.begin() + 1, turned.end());
  for (std::size_t i = 0; i < turned.size(); ++i)
    if (turned[i] == prompts[i]) return false;  // this batch cannot tell
  const at::Tensor again = at::empty_like(scores);
  r.score.out[r.model->score_slot()] = again;
  const PromptCache::Pins pins = prompts_.get(r.model->instance(), turned);
  r.score.forward(pins.handles(), false);
  return at::equal(again, scores);
}

std::optional<double> Chain::score_alone(RewardBuffers& r, const at::Tensor& pictures,
                                         std::span<const hn_cond* const> cond,
                                         const at::Tensor& scores) {
  const at::Tensor one = at::empty({1}, scores.options());
  r.score.in[r.model->image_slot()] = pictures.narrow(0, 0, 1);
  r.score.out[r.model->score_slot()] = one;
  r.score.forward(cond.first(std::min<std::size_t>(cond.size(), 1)), false);
  r.score.in[r.model->image_slot()] = pictures;
  r.score.out[r.model->score_slot()] = scores;
  // Products are blocked differently for one sample, and weights of 16 bits round coarsely.
  const Options& options = r.model->spec().options;
  const auto dtype = options.find("dtype");
  const auto* name = dtype == options.end() ? nullptr : std::get_if<std::string>(&dtype->second);
  const double relative = name == nullptr || *name == "float32" ? 1e-3 : 5e-2;
  const double alone = one.item<double>(), among = scores[0].item<double>();
  const double scale = std::max(scores.abs().max().item<double>(), std::abs(alone));
  if (std::abs(alone - among) <= relative * scale) return std::nullopt;
  return alone;
}

bool Chain::leave_out_unanswered(RewardBuffers& r, std::span<const Prompt> prompts,
                                 std::vector<Prompt>& answered, at::Tensor& pictures,
                                 StepScores& step) {
  if (!r.model->needs_prompts()) return false;
  const auto refused = prompts_.refusals(r.model->instance(), prompts);
  if (refused.empty()) return false;
  if (step.unanswered == 0) step.why = refused.begin()->second;
  step.unanswered += refused.size();
  std::vector<std::int64_t> left;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (refused.contains(i)) continue;
    left.push_back(static_cast<std::int64_t>(i));
    answered.push_back(prompts[i]);
  }
  pictures = pictures.index_select(0, at::tensor(left, at::kLong).to(pictures.device()));
  return true;
}

bool Chain::score_image(const ChainBatch& batch, const at::Tensor& image,
                        std::span<const RewardTurn> turns, double share,
                        const at::Tensor& image_grad, ChainTotals& totals) {
  bool written = false;
  std::vector<std::unique_ptr<SharedResize>> resizes;
  const std::int64_t samples = image.size(0);
  for (std::size_t k = 0; k < rewards_.size(); ++k) {
    stop_if_cancelled();
    RewardBuffers& r = rewards_[k];
    const RewardTurn& turn = turns[k];
    const std::int64_t count =
        turn.batch == 0 ? samples
                        : std::clamp<std::int64_t>(turn.batch - batch.position, 0, samples);
    if (!turn.run || count == 0) continue;
    const bool keep = turn.slope != 0 && r.model->differentiable();
    const std::string name = "reward " + r.model->spec().name;
    const bool here = r.model->device() == image.device();
    SharedResize* const shared = resized_for(r.model->spec().resize, image, resizes);
    const at::Tensor& source = shared != nullptr ? shared->resized() : image;
    at::Tensor seen = rows(source, count);
    std::span<const Prompt> prompts = batch.prompts.first(static_cast<std::size_t>(count));
    std::vector<Prompt> answered;
    if (!r.model->spec().train &&
        leave_out_unanswered(r, prompts, answered, seen, totals.rewards[k]))
      prompts = answered;
    if (prompts.empty()) continue;
    const auto n = static_cast<std::int64_t>(prompts.size());
    const at::Tensor input = here ? seen : seen.to(r.model->device());
    const at::Tensor scores = rows(r.scores, n);
    r.score.in[r.model->image_slot()] = input;
    r.score.out[r.model->score_slot()] = scores;
    r.score.need_grad[r.model->image_slot()] = r.model->differentiable() ? 1 : 0;
    const PromptCache::Pins pins = prompts_.get(r.model->instance(), prompts);
    const Saved saved = r.score.forward(pins.handles(), keep);
    require_finite_rows(scores, name, prompts);
    StepScores& step = totals.rewards[k];
    const at::Tensor host = scores.to(at::kCPU, at::kDouble);
    step.scores.insert(step.scores.end(), host.const_data_ptr<double>(),
                       host.const_data_ptr<double>() + n);
    if (keep) {
      const at::Tensor cotangent = rows(r.cotangent, count);
      cotangent.fill_(turn.slope * share);
      r.score.cotangent[r.model->score_slot()] = cotangent;
      // The first gradient is written, the others are added to it; samples that it did not see, and
      // all of them for one that comes from another device, begin at zero.
      const at::Tensor target = shared != nullptr ? shared->gradient() : image_grad;
      const bool begun = shared != nullptr || written;
      // Its own gradient can be looked at where it is not added to another's.
      const bool straight = here && !(begun && turn.check_gradient);
      const at::Tensor into = straight ? rows(target, count) : at::empty_like(input);
      if (!begun && !here) target.zero_();
      if (!begun && here && count < samples) target.narrow(0, count, samples - count).zero_();
      r.score.grad[r.model->image_slot()] = into;
      r.score.backward(saved, straight && begun);
      if (turn.check_gradient) {
        const bool zero = !into.any().item<bool>();
        if (!zero || step.gradient == StepScores::Gradient::kUnseen)
          step.gradient = zero ? StepScores::Gradient::kZero : StepScores::Gradient::kSome;
      }
      if (!straight) rows(target, count).add_(into.to(target.device()));
      written = written || shared == nullptr;
      require_finite_rows(rows(target, count), "gradient of " + name, prompts);
    }
    if (turn.check_mixing && batch.position == 0 && n > 1 && !step.alone &&
        !r.score.fn->mixes_samples())
      step.alone = score_alone(r, input, pins.handles(), scores);
    if (turn.check_prompts && batch.position == 0 && n > 1 && r.model->needs_prompts())
      step.blind = blind_to_prompts(r, prompts, scores);
  }
  for (const auto& each : resizes) {
    if (!each->has_gradient()) continue;
    const at::Tensor back = each->backward();
    if (written)
      image_grad.add_(back);
    else
      image_grad.copy_(back);
    written = true;
  }
  return written;
}

void Chain::limit_samples(const ChainBatch& batch, double share, at::Tensor& x_grad,
                          ChainTotals& totals) {
  const at::Tensor norms = at::linalg_vector_norm(x_grad.flatten(1), 2, at::IntArrayRef{1}) / share;
  const at::Tensor host = norms.to(at::kCPU, at::kDouble);
  const auto* values = host.const_data_ptr<double>();
  totals.noise_gradients.insert(totals.noise_gradients.end(), values, values + host.numel());
  const double limit = batch.noise_gradient_limit, push = batch.noise_gradient_push;
  if (push == 1 && std::none_of(values, values + host.numel(), [&](double n) { return n > limit; }))
    return;
  std::vector<std::int64_t> ones(static_cast<std::size_t>(x_grad.dim()), 1);
  ones[0] = x_grad.size(0);
  x_grad.mul_((limit / norms).clamp_max(1).mul_(push).view(ones));
}

void Chain::run(const ChainBatch& batch, std::span<const RewardTurn> turns, double share, bool add,
                ChainTotals& totals) {
  const at::Tensor& x0 = batch.x0;
  const std::span<const Prompt> prompts = batch.prompts;
  const std::int64_t b = x0.size(0);
  totals.rewards.resize(rewards_.size());
  const PromptCache::Pins pins = prompts_.get(generator_.instance(), prompts);
  stop_if_cancelled();

  const at::Tensor image = rows(image_, b), image_grad = rows(image_grad_, b);
  at::Tensor x = net_ ? rows(x_, b) : x0;
  generate_.in[slots_.noise] = x;
  if (slots_.step_noise >= 0)
    generate_.in[static_cast<std::size_t>(slots_.step_noise)] = batch.step_noise;
  generate_.out[slots_.image] = image;
  if (train_.memory_budget > 0 && !memory_shared_) share_memory(x0, pins.handles());

  std::unique_ptr<NoiseNet::Pass> net_pass;
  if (net_) {
    net_pass = net_->forward(x0, pins.handles(), rows(delta_, b), true);
    require_finite_rows(rows(delta_, b), "delta", prompts);
    at::add_out(x, x0, rows(delta_, b));
    stop_if_cancelled();
  }
  generate_.rng_seed = batch.rng_seed;
  generate_.rng_offset = batch.first;
  const Saved generate_saved = generate_.forward(pins.handles(), follows_gradients_);
  require_finite_rows(image, "image", prompts);

  const bool any = score_image(batch, image, turns, share, image_grad, totals);
  if (!any) image_grad.zero_();
  generate_.cotangent[slots_.image] = image_grad;
  stop_if_cancelled();
  if (!net_) {
    generate_.backward(generate_saved, add);
    return;
  }
  at::Tensor x_grad = rows(x_grad_, b);
  if (follows_gradients_) {
    generate_.grad[slots_.noise] = x_grad;
    generate_.backward(generate_saved, false);
  } else {
    x_grad.zero_();
  }
  if (zeroth_order_->any())
    zeroth_order_->add_gradient(batch, x, pins.handles(), turns, share, x_grad, totals);
  require_finite_rows(x_grad, "gradient of the noise", prompts);
  limit_samples(batch, share, x_grad, totals);
  const RegulariserTerms terms =
      regulariser(train_.reg, batch.reg_weight, x0, rows(delta_, b), share, x_grad);
  totals.half_square += terms.half_square.sum().item<double>();
  totals.regulariser += terms.value.sum().item<double>();
  require_finite_rows(terms.value, "regulariser", prompts);
  stop_if_cancelled();
  net_pass->backward(x_grad, add);
}

}  // namespace hn::core
