#include "generator/functions.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <utility>

namespace hn {
namespace {

// A stream of draws for each (seed, offset): the splitmix64 finaliser spreads neighbouring pairs
// over the generator's seeds.
std::uint64_t mix(std::uint64_t seed, std::uint64_t offset) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15u * (offset + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// What the four have in common: sizes, checks, estimates.
class Base : public TorchFunction {
 public:
  Base(const LatentModel& model, const FunctionOptions& options)
      : model_(model), options_(options) {
    const LatentGeometry g = model.geometry();
    if (options.width < g.size_unit || options.height < g.size_unit ||
        options.width % g.size_unit != 0 || options.height % g.size_unit != 0)
      throw Error(HN_INVALID_ARGUMENT,
                  "[" + model.name() + "] width, height: expected multiples of " +
                      std::to_string(g.size_unit) + " above 0, got " +
                      std::to_string(options.width) + " x " + std::to_string(options.height));
    latent_shape_ = {HN_DIM_BATCH, g.channels, options.height / g.factor, options.width / g.factor};
    image_shape_ = {HN_DIM_BATCH, 3, options.height, options.width};
  }

  hn_plan plan(const Call& call) override {
    const PassBytes one = estimate();
    const auto batch = static_cast<std::uint64_t>(call.batch());
    return {sizeof(hn_plan), 0, call.want_grad() ? one.saved * batch : 0,
            (call.want_grad() ? one.saved + one.work : one.work) * batch};
  }

 protected:
  // Bytes a sample.
  virtual PassBytes estimate() const = 0;
  // A call with at least one sample.
  virtual std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) = 0;

  PassBytes part(ModelPart which) const {
    return model_.estimate(which, options_.width, options_.height);
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call& call) final {
    const at::Device device = model_.device();
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].defined() && in[i].device() != device)
        throw Error(HN_INVALID_ARGUMENT, "[input " + inputs_[i].name + "] expected a tensor on " +
                                             device.str() + " (option device), got " +
                                             in[i].device().str());
    }
    if (call.deterministic() && !device.is_cpu())
      throw Error(
          HN_UNSUPPORTED,
          "[" + model_.name() + "] HN_CALL_DETERMINISTIC: only the CPU promises the same bits");
    if (call.batch() > 0) return compute(in, call);
    // Nothing to do, but the outputs stay connected to the inputs.
    std::vector<at::Tensor> empty;
    for (const auto& slot : outputs_) {
      auto shape = slot.shape;
      for (auto& size : shape) size = std::max<std::int64_t>(size, 0);
      empty.push_back(at::zeros(shape, in[0].options()) + in[0].sum() * 0);
    }
    return empty;
  }

  PassContext context(const Call& call, std::span<const Cond* const> prompts,
                      const LoraSet& lora) const {
    return {.prompts = prompts,
            .lora = lora,
            .settings = *options_.settings,
            .between_steps = {},
            .want_grad = call.want_grad(),
            .saved_budget_bytes = call.raw().saved_budget_bytes};
  }

  const LatentModel& model_;
  FunctionOptions options_;
  std::vector<std::int64_t> latent_shape_, image_shape_;
};

// With PARAM slots behind the other inputs: A and B of each chosen layer in turn.
class Adapted : public Base {
 public:
  Adapted(const LatentModel& model, const FunctionOptions& options) : Base(model, options) {
    if (options.lora_rank < 0)
      throw Error(HN_INVALID_ARGUMENT, "[" + model.name() +
                                           "] lora.rank: expected 0 or more, got " +
                                           std::to_string(options.lora_rank));
    if (options.lora_rank > 0) chosen_ = match_targets(model.layers(), options.lora_targets);
    flags_ = HN_FN_NEEDS_COND;
  }

 protected:
  void add_params() {
    first_param_ = inputs_.size();
    for (const int index : chosen_) {
      const LayerInfo& layer = model_.layers()[static_cast<std::size_t>(index)];
      const auto slot = [&](const char* which, const char* semantic,
                            std::vector<std::int64_t> shape) {
        inputs_.push_back(
            {layer.name + which, semantic, std::move(shape), HN_SLOT_PARAM | HN_SLOT_DIFF});
      };
      slot(".lora_A.weight", "lora_a", lora_a_shape(layer, options_.lora_rank));
      slot(".lora_B.weight", "lora_b",
           lora_b_shape(layer, options_.lora_rank, options_.lora_dense_groups));
    }
  }
  LoraSet lora(const std::vector<at::Tensor>& in, int branch_only) const {
    if (chosen_.empty() && branch_only < 0) return {};
    const double scale =
        options_.lora_rank > 0 ? options_.lora_alpha / static_cast<double>(options_.lora_rank) : 1;
    LoraSet set(model_.layers().size(), scale, branch_only);
    for (std::size_t i = 0; i < chosen_.size(); ++i)
      set.set(chosen_[i], in[first_param_ + 2 * i], in[first_param_ + 2 * i + 1]);
    return set;
  }
  std::vector<const Cond*> prompts(const Call& call) const {
    std::vector<const Cond*> found;
    for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
      found.push_back(&call.cond<Cond>(b));
    return found;
  }

  std::vector<int> chosen_;  // ascending
  std::size_t first_param_ = 0;
};

class NoiseNet final : public Adapted {
 public:
  NoiseNet(const LatentModel& model, const FunctionOptions& options) : Adapted(model, options) {
    if (options.lora_rank == 0)
      throw Error(
          HN_INVALID_ARGUMENT,
          "[noise_net] lora.rank: expected at least 1, since the LoRA is all that can be trained");
    // Without its branch the output would be 0 for ever.
    const int last = model.output_layer();
    const auto place = std::lower_bound(chosen_.begin(), chosen_.end(), last);
    if (place == chosen_.end() || *place != last) chosen_.insert(place, last);
    inputs_ = {{"noise", "noise", latent_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"offset", "offset", latent_shape_, HN_SLOT_DIFF}};
    add_params();
  }

 protected:
  PassBytes estimate() const override { return part(ModelPart::kDenoiser); }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    const auto handles = prompts(call);
    const LoraSet adapters = lora(in, model_.output_layer());
    return {model_.noise_net(in[0], context(call, handles, adapters)).to(at::kFloat)};
  }
};

class Generate final : public Adapted {
 public:
  Generate(const LatentModel& model, const Host& host, const FunctionOptions& options)
      : Adapted(model, options),
        host_(host),
        step_noise_(options.steps > 1 && model.draws_step_noise()) {
    inputs_ = {{"noise", "noise", latent_shape_, HN_SLOT_DIFF}};
    if (step_noise_) {
      auto shape = latent_shape_;
      shape.insert(shape.begin(), options.steps - 1);
      inputs_.push_back({"step_noise", "step_noise", shape, HN_SLOT_DIFF | HN_SLOT_OPTIONAL});
      flags_ |= HN_FN_RANDOM;
    }
    outputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF},
                {"latents", "latents", latent_shape_, HN_SLOT_DIFF | HN_SLOT_OPTIONAL}};
    add_params();
  }

 protected:
  PassBytes estimate() const override {
    const PassBytes denoiser = part(ModelPart::kDenoiser), decoder = part(ModelPart::kDecoder);
    return {denoiser.saved * static_cast<std::uint64_t>(options_.steps) + decoder.saved,
            std::max(denoiser.work, decoder.work)};
  }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    at::Tensor step_noise = step_noise_ ? in[1] : at::Tensor();
    if (step_noise_ && !step_noise.defined()) {
      auto shape = inputs_[1].shape;
      shape[1] = call.batch();
      // Drawn on the CPU, so that every device sees the same numbers.
      auto generator =
          at::detail::createCPUGenerator(mix(call.raw().rng_seed, call.raw().rng_offset));
      step_noise =
          at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(model_.device());
    }
    const auto handles = prompts(call);
    const LoraSet adapters = lora(in, -1);
    PassContext with = context(call, handles, adapters);
    with.between_steps = [this] {
      if (host_.cancelled()) throw Error(HN_CANCELLED, "[generate] stopped by the host");
    };
    const auto latents = model_.sample(in[0], step_noise, with).to(at::kFloat);
    return {model_.decode(latents, with).to(at::kFloat), latents};
  }

 private:
  Host host_;
  bool step_noise_;
};

class Decode final : public Base {
 public:
  Decode(const LatentModel& model, const FunctionOptions& options) : Base(model, options) {
    inputs_ = {{"latents", "latents", latent_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF}};
  }

 protected:
  PassBytes estimate() const override { return part(ModelPart::kDecoder); }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    const LoraSet none;
    return {model_.decode(in[0], context(call, {}, none)).to(at::kFloat)};
  }
};

class Encode final : public Base {
 public:
  Encode(const LatentModel& model, const FunctionOptions& options) : Base(model, options) {
    inputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"latents", "latents", latent_shape_, HN_SLOT_DIFF}};
  }

 protected:
  PassBytes estimate() const override { return part(ModelPart::kEncoder); }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    const LoraSet none;
    return {model_.encode(in[0], context(call, {}, none)).to(at::kFloat)};
  }
};

}  // namespace

FunctionOptions read_function_options(const LatentModel& model, const Config& config,
                                      const FunctionOptions& defaults) {
  FunctionOptions o = defaults;
  o.width = config.i64("width", o.width);
  o.height = config.i64("height", o.height);
  o.steps = config.i64("steps", o.steps);
  o.settings = model.settings(config, o.steps, defaults.settings.get());
  o.lora_rank = config.i64("lora.rank", o.lora_rank);
  o.lora_alpha = config.f64(
      "lora.alpha", o.lora_alpha > 0 ? o.lora_alpha : 2.0 * static_cast<double>(o.lora_rank));
  o.lora_dense_groups = config.boolean("lora.dense_groups", o.lora_dense_groups);
  auto targets = config.list("lora.targets");
  if (!targets.empty()) o.lora_targets = std::move(targets);
  if (o.lora_targets.empty()) o.lora_targets = {"all-linear"};
  return o;
}

std::unique_ptr<Function> make_function(std::string_view name, const LatentModel& model,
                                        const Host& host, const FunctionOptions& options) {
  if (name == "noise_net") return std::make_unique<NoiseNet>(model, options);
  if (name == "generate") return std::make_unique<Generate>(model, host, options);
  if (name == "decode") return std::make_unique<Decode>(model, options);
  if (name == "encode") return std::make_unique<Encode>(model, options);
  return nullptr;
}

}  // namespace hn
