#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <hn/generator/functions.hpp>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/pass_bytes.hpp>
#include <set>
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

constexpr std::int64_t kMeasuredSide = 256;  // pixels of the larger picture that plan() measures

// What the four have in common: sizes, checks, budgets, estimates.
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

  // Measured on two small pictures and drawn out to the call's pixels.
  hn_plan plan(const Call& call) override {
    return translate_errors([&]() -> hn_plan {
      const Entry entry(call.raw().stream, call.want_grad());
      const std::uint64_t budget = call.want_grad() ? call.raw().saved_budget_bytes : 0;
      // A large model on a small card may have no room for a pass without a budget: that is no
      // reason to refuse a call with one.
      MeasuredBytes bytes = measured_or_too_many([&] { return estimate(call, 0); });
      if (budget > 0 && budget < bytes.saved) {
        const MeasuredBytes least = estimate(call, 1);
        const std::uint64_t saved = std::max(least.saved, budget);
        bytes = {saved, saved + (least.peak - least.saved)};
      }
      return {sizeof(hn_plan), 0, call.want_grad() ? bytes.saved : 0, bytes.peak};
    });
  }

 protected:
  // What compute() reads beside the tensors.
  struct Pass {
    std::span<const Cond* const> prompts;  // one a sample, or one for all
    BlockRunner& run;
    std::uint64_t rng_seed = 0, rng_offset = 0;
  };
  // A pass over at least one sample, whose size is that of the tensors.
  virtual std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Pass& pass) = 0;

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
    if (call.batch() > 0) {
      model_.release_text_encoder();
      return within_budget(in, call);
    }
    // Nothing to do, but the outputs stay connected to the inputs.
    std::vector<at::Tensor> empty;
    for (const auto& slot : outputs_) {
      auto shape = slot.shape;
      for (auto& size : shape) size = std::max<std::int64_t>(size, 0);
      empty.push_back(at::zeros(shape, in[0].options()) + in[0].sum() * 0);
    }
    return empty;
  }

  PassContext context(const Pass& pass, const LoraSet& lora) const {
    return {.prompts = pass.prompts,
            .lora = lora,
            .settings = *options_.settings,
            .run = pass.run,
            .between_steps = {}};
  }

  const LatentModel& model_;
  FunctionOptions options_;
  std::vector<std::int64_t> latent_shape_, image_shape_;

 private:
  static std::vector<const Cond*> prompts(const Call& call) {
    std::vector<const Cond*> found;
    if (!call.has_cond()) return found;
    for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
      found.push_back(&call.cond<Cond>(b));
    return found;
  }

  std::vector<at::Tensor> within_budget(const std::vector<at::Tensor>& in, const Call& call) {
    const std::vector<const Cond*> handles = prompts(call);
    const std::uint64_t budget = call.want_grad() ? call.raw().saved_budget_bytes : 0;
    if (budget == 0) {
      BlockRunner run;
      return compute(in, {handles, run, call.raw().rng_seed, call.raw().rng_offset});
    }
    // What the bytes of a pass grow with, the fixed size of its pictures left out.
    std::int64_t wanted = 0, longest = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i) wanted += call.need_grad(i) ? 1 : 0;
    for (const Cond* handle : handles)
      longest = std::max(longest, static_cast<std::int64_t>(handle->size_bytes()));
    const auto distinct =
        static_cast<std::int64_t>(std::set<const Cond*>(handles.begin(), handles.end()).size());
    BlockRunner run(budget, costs_, {call.batch(), wanted, distinct, longest});
    const ByteCount count;
    auto out = compute(in, {handles, run, call.raw().rng_seed, call.raw().rng_offset});
    run.finish(count.live(), model_.name().c_str());
    return out;
  }

  MeasuredBytes estimate(const Call& call, std::uint64_t budget) {
    const LatentGeometry g = model_.geometry();
    std::vector<const Cond*> handles = prompts(call);
    // One sample with the longest prompt stands for all.
    const auto longest = std::max_element(
        handles.begin(), handles.end(),
        [](const Cond* a, const Cond* b) { return a->size_bytes() < b->size_bytes(); });
    if (longest != handles.end()) handles = {*longest};
    const auto measure = [&](std::int64_t side) {
      Tensors in(inputs_.size());
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        auto shape = inputs_[i].shape;
        const bool param = (inputs_[i].flags & HN_SLOT_PARAM) != 0;
        for (auto& size : shape) size = size == HN_DIM_BATCH ? 1 : size;
        if (!param)
          for (std::size_t d = shape.size() - 2; d < shape.size(); ++d)
            shape[d] = inputs_[i].semantic == "image_rgb01" ? side : side / g.factor;
        in[i] = at::zeros(shape, at::TensorOptions(at::kFloat).device(model_.device()));
        if (call.need_grad(i) || (call.want_grad() && call.raw().need_grad == nullptr && !param))
          in[i].set_requires_grad(true);
      }
      return measure_pass(
          [&](const Tensors& given, BlockRunner& run) {
            return compute(given, {handles, run, 0, 0});
          },
          in, budget);
    };
    const auto units = [&](std::int64_t pixels) {
      return std::max<std::int64_t>(1, pixels / g.size_unit) * g.size_unit;
    };
    const std::int64_t large = units(
                           std::min(kMeasuredSide, std::max(options_.width, options_.height))),
                       small = units(large / 2),
                       pixels = options_.width * options_.height * call.batch();
    // A device's libraries take their workspaces in a first pass; that is not the model's memory.
    if (!model_.device().is_cpu()) measure(small);
    const MeasuredBytes at_large = measure(large);
    return draw_out(small == large ? at_large : measure(small), small * small, at_large,
                    large * large, pixels);
  }

  std::shared_ptr<BlockCosts> costs_ = std::make_shared<BlockCosts>();
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
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Pass& pass) override {
    const LoraSet adapters = lora(in, model_.output_layer());
    return {model_.noise_net(in[0], context(pass, adapters)).to(at::kFloat)};
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
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Pass& pass) override {
    at::Tensor step_noise = step_noise_ ? in[1] : at::Tensor();
    if (step_noise_ && !step_noise.defined()) {
      auto shape = inputs_[1].shape;
      shape[1] = in[0].size(0);
      // Drawn on the CPU, so that every device sees the same numbers.
      auto generator = at::detail::createCPUGenerator(mix(pass.rng_seed, pass.rng_offset));
      step_noise =
          at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(model_.device());
    }
    const LoraSet adapters = lora(in, -1);
    PassContext with = context(pass, adapters);
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
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Pass& pass) override {
    const LoraSet none;
    return {model_.decode(in[0], context(pass, none)).to(at::kFloat)};
  }
};

class Encode final : public Base {
 public:
  Encode(const LatentModel& model, const FunctionOptions& options) : Base(model, options) {
    inputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"latents", "latents", latent_shape_, HN_SLOT_DIFF}};
  }

 protected:
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Pass& pass) override {
    const LoraSet none;
    return {model_.encode(in[0], context(pass, none)).to(at::kFloat)};
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
