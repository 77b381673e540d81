#include "functions.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

namespace hn::sana {
namespace {

// A stream of draws for each (seed, offset): the splitmix64 finaliser spreads neighbouring pairs
// over the generator's seeds.
std::uint64_t mix(std::uint64_t seed, std::uint64_t offset) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15u * (offset + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// What the four have in common: sizes, checks, adapters.
class Base : public TorchFunction {
 public:
  Base(const Model& model, const FunctionOptions& options) : model_(model), options_(options) {
    const std::int64_t unit = model.vae().factor() * model.transformer().config().patch_size;
    if (options.width < unit || options.height < unit || options.width % unit != 0 ||
        options.height % unit != 0)
      throw Error(HN_INVALID_ARGUMENT, "[sana_sprint] width, height: expected multiples of " +
                                           std::to_string(unit) + " above 0, got " +
                                           std::to_string(options.width) + " x " +
                                           std::to_string(options.height));
    latent_shape_ = {HN_DIM_BATCH, model.transformer().config().in_channels,
                     options.height / model.vae().factor(), options.width / model.vae().factor()};
    image_shape_ = {HN_DIM_BATCH, 3, options.height, options.width};
  }

  hn_plan plan(const Call& call) override {
    const auto [saved, work] = estimate();
    const auto batch = static_cast<std::uint64_t>(call.batch());
    return {sizeof(hn_plan), 0, call.want_grad() ? saved * batch : 0,
            (call.want_grad() ? saved + work : work) * batch};
  }

 protected:
  // Bytes a sample that the graph keeps, and that one layer needs beside it.
  virtual std::pair<std::uint64_t, std::uint64_t> estimate() const = 0;
  virtual std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) = 0;

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call& call) final {
    const at::Device device = model_.options().device;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i].defined() && in[i].device() != device)
        throw Error(HN_INVALID_ARGUMENT, "[input " + inputs_[i].name + "] expected a tensor on " +
                                             device.str() + " (option device), got " +
                                             in[i].device().str());
    }
    if (call.deterministic() && !device.is_cpu())
      throw Error(HN_UNSUPPORTED,
                  "[sana_sprint] HN_CALL_DETERMINISTIC: only the CPU promises the same bits");
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

  std::vector<const Prompt*> prompts(const Call& call) const {
    std::vector<const Prompt*> found;
    for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
      found.push_back(&call.cond<Prompt>(b));
    return found;
  }

  // One transformer pass and one decoder pass, from the widths of their layers.
  std::uint64_t transformer_bytes() const {
    const auto& c = model_.transformer().config();
    const std::int64_t tokens = latent_shape_[2] * latent_shape_[3] / (c.patch_size * c.patch_size);
    const auto ff = static_cast<std::int64_t>(c.mlp_ratio * static_cast<double>(c.width()));
    // Per block and token: two norms, q k v of both attentions with float32 copies, outputs, and
    // the feed-forward's wide states.
    const std::int64_t numbers =
        tokens * c.layers * (16 * c.width() + 4 * c.cross_heads * c.cross_head_dim + 9 * ff);
    return static_cast<std::uint64_t>(
        numbers * static_cast<std::int64_t>(c10::elementSize(model_.options().dtype)));
  }
  std::uint64_t vae_bytes(const std::vector<VaeStage>& stages) const {
    std::int64_t numbers = 0, pixels = options_.width * options_.height;
    for (const auto& stage : stages) {
      numbers += pixels * stage.channels * (6 + stage.layers * (stage.efficient_vit ? 46 : 7));
      pixels /= 4;
    }
    return static_cast<std::uint64_t>(
        numbers * static_cast<std::int64_t>(c10::elementSize(model_.options().dtype)));
  }

  const Model& model_;
  FunctionOptions options_;
  std::vector<std::int64_t> latent_shape_, image_shape_;
};

// With PARAM slots behind the other inputs: A and B of each chosen layer in turn.
class Adapted : public Base {
 public:
  Adapted(const Model& model, const FunctionOptions& options) : Base(model, options) {
    if (options.lora_rank < 0)
      throw Error(HN_INVALID_ARGUMENT, "[sana_sprint] lora.rank: expected 0 or more, got " +
                                           std::to_string(options.lora_rank));
    if (options.lora_rank > 0)
      chosen_ = match_targets(model.transformer().layers(), options.lora_targets);
    flags_ = HN_FN_NEEDS_COND;
  }

 protected:
  void add_params() {
    first_param_ = inputs_.size();
    for (const int index : chosen_) {
      const LayerInfo& layer = model_.transformer().layers()[static_cast<std::size_t>(index)];
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
    LoraSet set(model_.transformer().layers().size(), scale, branch_only);
    for (std::size_t i = 0; i < chosen_.size(); ++i)
      set.set(chosen_[i], in[first_param_ + 2 * i], in[first_param_ + 2 * i + 1]);
    return set;
  }

  std::vector<int> chosen_;
  std::size_t first_param_ = 0;
};

class NoiseNet final : public Adapted {
 public:
  NoiseNet(const Model& model, const FunctionOptions& options) : Adapted(model, options) {
    const int last = model.transformer().proj_out_layer();
    if (options.lora_rank == 0)
      throw Error(
          HN_INVALID_ARGUMENT,
          "[noise_net] lora.rank: expected at least 1, since the LoRA is all that can be trained");
    if (std::find(chosen_.begin(), chosen_.end(), last) == chosen_.end())
      throw Error(HN_INVALID_ARGUMENT,
                  "[noise_net] lora.targets: expected proj_out among them, whose LoRA branch is "
                  "the only output");
    inputs_ = {{"noise", "noise", latent_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"offset", "offset", latent_shape_, HN_SLOT_DIFF}};
    add_params();
  }

 protected:
  std::pair<std::uint64_t, std::uint64_t> estimate() const override {
    return {transformer_bytes(), transformer_bytes() / 8};
  }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    return {model_.noise_net(in[0], prompts(call), lora(in, model_.transformer().proj_out_layer()),
                             options_.guidance_scale)};
  }
};

class Generate final : public Adapted {
 public:
  Generate(const Model& model, const Host& host, const FunctionOptions& options)
      : Adapted(model, options), host_(host) {
    sample_.guidance_scale = options.guidance_scale;
    sample_.steps = scm_schedule(options.steps, model.scheduler(), options.schedule);
    sample_.between_steps = [this] {
      if (host_.cancelled()) throw Error(HN_CANCELLED, "[generate] stopped by the host");
    };
    inputs_ = {{"noise", "noise", latent_shape_, HN_SLOT_DIFF}};
    if (options.steps > 1) {
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
  std::pair<std::uint64_t, std::uint64_t> estimate() const override {
    const std::uint64_t vae = vae_bytes(model_.vae().decoder);
    return {transformer_bytes() * static_cast<std::uint64_t>(options_.steps) + vae, vae / 4};
  }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call& call) override {
    at::Tensor step_noise = options_.steps > 1 ? in[1] : at::Tensor();
    if (options_.steps > 1 && !step_noise.defined()) {
      auto shape = inputs_[1].shape;
      shape[1] = call.batch();
      // Drawn on the CPU, so that every device sees the same numbers.
      auto generator =
          at::detail::createCPUGenerator(mix(call.raw().rng_seed, call.raw().rng_offset));
      step_noise = at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat))
                       .to(model_.options().device);
    }
    const auto latents =
        model_.sample(in[0], step_noise, prompts(call), lora(in, -1), sample_).to(at::kFloat);
    return {model_.decode(latents).to(at::kFloat), latents};
  }

 private:
  Host host_;
  SampleOptions sample_;
};

class Decode final : public Base {
 public:
  Decode(const Model& model, const FunctionOptions& options) : Base(model, options) {
    inputs_ = {{"latents", "latents", latent_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF}};
  }

 protected:
  std::pair<std::uint64_t, std::uint64_t> estimate() const override {
    return {vae_bytes(model_.vae().decoder), vae_bytes(model_.vae().decoder) / 4};
  }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call&) override {
    return {model_.decode(in[0]).to(at::kFloat)};
  }
};

class Encode final : public Base {
 public:
  Encode(const Model& model, const FunctionOptions& options) : Base(model, options) {
    inputs_ = {{"image_rgb01", "image_rgb01", image_shape_, HN_SLOT_DIFF}};
    outputs_ = {{"latents", "latents", latent_shape_, HN_SLOT_DIFF}};
  }

 protected:
  std::pair<std::uint64_t, std::uint64_t> estimate() const override {
    return {vae_bytes(model_.vae().encoder), vae_bytes(model_.vae().encoder) / 4};
  }
  std::vector<at::Tensor> compute(const std::vector<at::Tensor>& in, const Call&) override {
    return {model_.encode(in[0]).to(at::kFloat)};
  }
};

}  // namespace

std::unique_ptr<Function> make_function(std::string_view name, const Model& model, const Host& host,
                                        const FunctionOptions& options) {
  if (name == "noise_net") return std::make_unique<NoiseNet>(model, options);
  if (name == "generate") return std::make_unique<Generate>(model, host, options);
  if (name == "decode") return std::make_unique<Decode>(model, options);
  if (name == "encode") return std::make_unique<Encode>(model, options);
  return nullptr;
}

}  // namespace hn::sana
