#include "core/chain.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "core/host_tensor.hpp"
#include "core/loss.hpp"

namespace hn::core {
namespace {

std::string describe(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

// per_sample: [b], not finite where anything of the sample is not.
void require_finite(const at::Tensor& per_sample, const std::string& what,
                    std::span<const std::string> prompts) {
  if (per_sample.numel() == 0 || std::isfinite(per_sample.sum().item<double>())) return;
  const at::Tensor host = per_sample.to(at::kCPU, at::kDouble);
  for (std::int64_t b = 0; b < host.size(0); ++b) {
    const double value = host.const_data_ptr<double>()[b];
    if (!std::isfinite(value))
      throw NotFinite(what + ": " + describe(value) + " at sample " + std::to_string(b) +
                      " (prompt '" + prompts[static_cast<std::size_t>(b)].substr(0, 200) + "')");
  }
}

void require_finite_rows(const at::Tensor& tensor, const std::string& what,
                         std::span<const std::string> prompts) {
  require_finite(tensor.flatten(1).sum(at::IntArrayRef{1}), what, prompts);
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
      finetune_(adapter.net().kind == NetKind::kFinetune),
      net_(*generator.adapted()),
      generate_(base(generator, finetune_)),
      slots_(GeneratorModel::slots(*generate_.fn)) {
  const auto buffer = [&](const std::vector<std::int64_t>& shape) {
    return at::empty(join_shape({batch}, shape), at::TensorOptions(at::kFloat).device(device));
  };
  if (!generate_.fn->outputs()[slots_.image].diff() ||
      (!finetune_ && !generate_.fn->inputs()[slots_.noise].diff()))
    throw Error(HN_UNSUPPORTED,
                generator.instance().name() +
                    ": generate gives no gradient, so it cannot be trained through");
  image_ = buffer(generator.image_shape());
  image_grad_ = buffer(generator.image_shape());
  if (finetune_) {
    generate_.bind(adapter, true);
  } else {
    net_noise_ = net_.fn->input("noise");
    net_offset_ = net_.fn->output("offset");
    net_.bind(adapter, true);
    generate_.need_grad[slots_.noise] = 1;
    delta_ = buffer(generator.noise_shape());
    x_ = buffer(generator.noise_shape());
    x_grad_ = buffer(generator.noise_shape());
  }
  for (const auto& reward : rewards)
    rewards_.push_back({reward.get(), BoundFunction(reward->score()), buffer({}), buffer({})});
}

void Chain::stop_if_cancelled() const {
  generator_.instance().runtime().services.stop_if_cancelled("train_step");
}

at::Tensor Chain::rows(const at::Tensor& buffer, std::int64_t count) const {
  return buffer.size(0) == count ? buffer : buffer.narrow(0, 0, count);
}

bool Chain::score_image(const at::Tensor& image, std::span<const std::string> prompts, double share,
                        const at::Tensor& image_grad, ChainTotals& totals) {
  bool written = false;
  for (std::size_t k = 0; k < rewards_.size(); ++k) {
    stop_if_cancelled();
    RewardBuffers& r = rewards_[k];
    const RewardSpec& spec = r.model->spec();
    const double slope = spec.train ? score_gradient(spec) : 0;
    const bool keep = slope != 0;
    const std::string name = "reward " + spec.name;
    const at::Tensor scores = rows(r.scores, image.size(0));
    r.score.in[r.model->image_slot()] = image;
    r.score.out[r.model->score_slot()] = scores;
    r.score.need_grad[r.model->image_slot()] = 1;
    const PromptCache::Pins pins = prompts_.get(r.model->instance(), prompts);
    const Saved saved = r.score.forward(pins.handles(), keep);
    require_finite(scores, name, prompts);
    const double sum = scores.sum(at::kDouble).item<double>();
    totals.scores[k] += sum;
    if (spec.train)
      totals.loss += score_loss(spec, 0) * static_cast<double>(image.size(0)) + slope * sum;
    if (!keep) continue;
    const at::Tensor cotangent = rows(r.cotangent, image.size(0));
    cotangent.fill_(slope * share);
    r.score.cotangent[r.model->score_slot()] = cotangent;
    r.score.grad[r.model->image_slot()] = image_grad;
    r.score.backward(saved, written);
    written = true;
    require_finite_rows(image_grad, "gradient of " + name, prompts);
  }
  return written;
}

void Chain::run(const ChainBatch& batch, double share, bool add, ChainTotals& totals) {
  const at::Tensor& x0 = batch.x0;
  const std::span<const std::string> prompts = batch.prompts;
  const std::int64_t b = x0.size(0);
  totals.scores.resize(rewards_.size());
  const PromptCache::Pins pins = prompts_.get(generator_.instance(), prompts);
  stop_if_cancelled();

  Saved net_saved;
  at::Tensor x = x0;
  if (!finetune_) {
    net_.in[net_noise_] = x0;
    net_.out[net_offset_] = rows(delta_, b);
    net_saved = net_.forward(pins.handles(), true);
    require_finite_rows(rows(delta_, b), "delta", prompts);
    x = rows(x_, b);
    at::add_out(x, x0, rows(delta_, b));
    stop_if_cancelled();
  }
  const at::Tensor image = rows(image_, b), image_grad = rows(image_grad_, b);
  generate_.in[slots_.noise] = x;
  if (slots_.step_noise >= 0)
    generate_.in[static_cast<std::size_t>(slots_.step_noise)] = batch.step_noise;
  generate_.out[slots_.image] = image;
  generate_.rng_seed = batch.rng_seed;
  generate_.rng_offset = batch.first;
  const Saved generate_saved = generate_.forward(pins.handles(), true);
  require_finite_rows(image, "image", prompts);

  const bool any = score_image(image, prompts, share, image_grad, totals);
  if (!any) image_grad.zero_();
  generate_.cotangent[slots_.image] = image_grad;
  stop_if_cancelled();
  if (finetune_) {
    generate_.backward(generate_saved, add);
    return;
  }
  at::Tensor x_grad = rows(x_grad_, b);
  generate_.grad[slots_.noise] = x_grad;
  generate_.backward(generate_saved, false);
  require_finite_rows(x_grad, "gradient of the noise", prompts);
  const RegulariserTerms terms =
      regulariser(train_.reg, train_.reg_weight, x0, rows(delta_, b), share, x_grad);
  totals.half_square += terms.half_square.sum().item<double>();
  const double value = terms.value.sum().item<double>();
  totals.regulariser += value;
  totals.loss += value;
  require_finite(terms.value, "regulariser", prompts);
  stop_if_cancelled();
  net_.cotangent[net_offset_] = x_grad;
  net_.backward(net_saved, add);
}

}  // namespace hn::core
