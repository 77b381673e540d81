#include "core/noise_gradient.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/bound_function.hpp"
#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/memory_budget.hpp"
#include "core/scorer.hpp"

namespace hn::core {
namespace {

[[noreturn]] void refuse(const std::string& text, hn_status code = HN_INVALID_ARGUMENT) {
  throw Error(code, "[noise_gradient] " + text);
}

bool finetune(const Adapter* adapter, const NoiseGradientRequest& request) {
  return request.adapted && adapter != nullptr && adapter->net().kind == NetKind::kFinetune;
}

class NoiseGradient {
 public:
  NoiseGradient(GeneratorModel& generator, const Adapter* adapter,
                std::vector<std::unique_ptr<RewardModel>>& rewards, PromptCache& prompts,
                at::Device device, std::uint64_t memory_budget, const NoiseGradientRequest& request)
      : generator_(generator),
        rewards_(rewards),
        prompts_(prompts),
        device_(device),
        memory_budget_(memory_budget),
        request_(request),
        generate_(finetune(adapter, request) ? *generator.adapted() : generator.generate()),
        slots_(GeneratorModel::slots(*generate_.fn)) {
    if (finetune(adapter, request)) generate_.bind(*adapter, false);
    generate_.need_grad[slots_.noise] = 1;
  }

  NoiseGradientResult run() {
    check();
    NoiseGradientResult result;
    result.values.assign(static_cast<std::size_t>(count_), 0.0);
    result.scores.assign(rewards_.size(),
                         std::vector<float>(static_cast<std::size_t>(count_),
                                            std::numeric_limits<float>::quiet_NaN()));
    grad_ = allocate(result.grad, join_shape({count_}, generator_.noise_shape()));
    if (request_.want_images)
      images_ = allocate(result.images, join_shape({count_}, generator_.image_shape()));
    const HostServices& services = generator_.instance().runtime().services;
    for (std::int64_t first = 0; first < count_; first += request_.batch) {
      services.stop_if_cancelled("noise_gradient");
      run_batch(first, std::min(request_.batch, count_ - first), result);
    }
    return result;
  }

 private:
  void check() {
    const std::string& name = generator_.instance().name();
    if (!generate_.fn->outputs()[slots_.image].diff() ||
        !generate_.fn->inputs()[slots_.noise].diff())
      refuse(name + ": generate gives no gradient by its noise", HN_UNSUPPORTED);
    if (request_.batch < 1)
      refuse("batch: expected 1 or more, got " + std::to_string(request_.batch));
    check_weights();
    count_ = static_cast<std::int64_t>(request_.prompts.size());
    const std::vector<std::int64_t> shape = join_shape({count_}, generator_.noise_shape());
    noise_ = view_of(request_.noise, shape, "noise_gradient: noise");
    if (const std::string bad = not_finite_rows(noise_, request_.prompts); !bad.empty())
      refuse("noise: expected finite numbers, got " + bad);
    const std::int64_t step_noises = slots_.step_noise < 0 ? 0 : generator_.steps() - 1;
    if ((step_noises > 0) != request_.step_noise.has_value())
      refuse(std::string("step_noise was ") +
             (step_noises > 0 ? "not given, but " : "given, but ") + name + " runs " +
             std::to_string(generator_.steps()) +
             (generator_.steps() == 1 ? " step and takes " : " steps and takes ") +
             std::to_string(step_noises));
    if (!request_.step_noise) return;
    step_noise_ = view_of(*request_.step_noise, join_shape({step_noises}, shape),
                          "noise_gradient: step_noise");
    if (const std::string bad = not_finite(step_noise_); !bad.empty())
      refuse("step_noise: expected finite numbers, got " + bad);
  }

  void check_weights() const {
    if (request_.weights.size() != rewards_.size())
      refuse("weights: expected one for each of " + std::to_string(rewards_.size()) +
             " rewards, got " + std::to_string(request_.weights.size()));
    bool any = false;
    for (std::size_t k = 0; k < rewards_.size(); ++k) {
      const double weight = request_.weights[k];
      const std::string& name = rewards_[k]->spec().name;
      if (!std::isfinite(weight)) refuse("weight of " + name + ": expected a finite number");
      any = any || weight != 0;
      if (weight != 0 && !rewards_[k]->differentiable())
        refuse("reward " + name + " is score-only: it has no image gradient", HN_UNSUPPORTED);
    }
    if (!any) refuse("weights: expected one other than 0, got none");
  }

  // Within the budget, planned with the first batch: the largest one.
  void share_memory(std::span<const hn_cond* const> cond) {
    if (memory_budget_ == 0 || shared_) return;
    shared_ = true;
    const std::vector<Need> needs{need_of(generate_, cond)};
    generate_.saved_budget = share_budget(memory_budget_, needs)[0];
  }

  void run_batch(std::int64_t first, std::int64_t n, NoiseGradientResult& result) {
    const auto prompts = std::span(request_.prompts)
                             .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
    const PromptCache::Pins pins = prompts_.get(generator_.instance(), prompts);
    const auto options = at::TensorOptions(at::kFloat).device(device_);
    const at::Tensor x = noise_.narrow(0, first, n).to(device_).contiguous();
    const at::Tensor image = at::empty(join_shape({n}, generator_.image_shape()), options);
    generate_.in[slots_.noise] = x;
    if (step_noise_.defined())
      generate_.in[static_cast<std::size_t>(slots_.step_noise)] =
          step_noise_.narrow(1, first, n).contiguous().to(device_);
    generate_.out[slots_.image] = image;
    generate_.rng_seed = request_.seed;
    generate_.rng_offset = static_cast<std::uint64_t>(first);
    share_memory(pins.handles());
    const Saved saved = generate_.forward(pins.handles(), true);
    require_finite(image, "the picture", first, prompts);
    if (images_.defined()) images_.narrow(0, first, n).copy_(image);

    const at::Tensor image_grad = at::zeros_like(image);
    for (std::size_t k = 0; k < rewards_.size(); ++k)
      if (request_.weights[k] != 0) add_reward(k, first, image, image_grad, prompts, result);
    const at::Tensor grad = at::empty(x.sizes(), options);
    generate_.cotangent[slots_.image] = image_grad;
    generate_.grad[slots_.noise] = grad;
    generate_.backward(saved, false);
    require_finite(grad, "the gradient of the noise", first, prompts);
    grad_.narrow(0, first, n).copy_(grad);
  }

  // Score and image gradient of one reward; samples are independent, so its gradient is that of the
  // sum over the batch.
  void add_reward(std::size_t k, std::int64_t first, const at::Tensor& image,
                  const at::Tensor& image_grad, std::span<const Prompt> prompts,
                  NoiseGradientResult& result) {
    const at::Tensor own = at::empty_like(image);
    const at::Tensor both[] = {image, own};
    TensorViews views;
    views.assign(both);
    ScoreRequest request;
    request.prompts.assign(prompts.begin(), prompts.end());
    request.reward = k;
    request.batch = image.size(0);
    request.tensors.images = views.pointers[0];
    request.tensors.image_grad = views.pointers[1];
    const ScoreResult scored = core::score(*rewards_[k], prompts_, rewards_[k]->device(), request);
    image_grad.add_(own, request_.weights[k]);
    for (std::size_t i = 0; i < scored.scores.size(); ++i) {
      const std::size_t row = static_cast<std::size_t>(first) + i;
      result.scores[k][row] = scored.scores[i];
      result.values[row] += request_.weights[k] * static_cast<double>(scored.scores[i]);
    }
  }

  void require_finite(const at::Tensor& values, const char* what, std::int64_t first,
                      std::span<const Prompt> prompts) const {
    const std::string bad = not_finite_rows(values, prompts, first);
    if (!bad.empty())
      refuse(generator_.instance().name() + ": " + what + " is not finite: " + bad, HN_DATA_LOSS);
  }

  GeneratorModel& generator_;
  std::vector<std::unique_ptr<RewardModel>>& rewards_;
  PromptCache& prompts_;
  at::Device device_;
  std::uint64_t memory_budget_;
  const NoiseGradientRequest& request_;
  BoundFunction generate_;
  GeneratorModel::GenerateSlots slots_;
  bool shared_ = false;
  std::int64_t count_ = 0;
  at::Tensor noise_, step_noise_;  // views of the request
  at::Tensor grad_, images_;       // views of the result
};

}  // namespace

NoiseGradientResult noise_gradient(GeneratorModel& generator, const Adapter* adapter,
                                   std::vector<std::unique_ptr<RewardModel>>& rewards,
                                   PromptCache& prompts, at::Device device,
                                   std::uint64_t memory_budget,
                                   const NoiseGradientRequest& request) {
  return NoiseGradient(generator, adapter, rewards, prompts, device, memory_budget, request).run();
}

}  // namespace hn::core
