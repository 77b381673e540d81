#include "generator.hpp"

#include <ATen/ATen.h>

#include "model.hpp"
#include <hn/nn/model_options.hpp>

namespace hn::flux {
namespace {

// Latents of a side of the pictures that noise networks were trained on (512 px at factor 8).
constexpr std::int64_t kDefaultSide = 64;
constexpr double kDefaultGuidance = 3.5;
constexpr std::int64_t kOverlapShare = 4;  // AutoencoderKL's: a quarter of a tile

struct Settings final : ModelSettings {
  std::int64_t steps = 1;
  double guidance = kDefaultGuidance;
};

class Generator final : public LatentModel {
 public:
  Generator(const std::filesystem::path& folder, const LoadOptions& options, const Config& config)
      : model_(folder, options),
        tiling_(tiling_option(config, model_.vae().config().factor(), kOverlapShare)) {}

  std::string name() const override { return "flux_schnell"; }
  at::Device device() const override { return model_.options().device; }
  LatentGeometry geometry() const override {
    const std::int64_t factor = model_.vae().config().factor(), pixels = kDefaultSide * factor;
    return {model_.transformer().config().latent_channels(), factor, 2 * factor, pixels, pixels};
  }
  const std::vector<LayerInfo>& layers() const override { return model_.transformer().layers(); }
  int output_layer() const override { return model_.transformer().proj_out_layer(); }

  std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                          const ModelSettings* defaults) const override {
    auto s = std::make_unique<Settings>();
    if (defaults != nullptr) *s = static_cast<const Settings&>(*defaults);
    s->steps = steps;
    s->guidance = options.f64("guidance_scale", s->guidance);
    // The size counts with dynamic shifting only; here the number of steps is checked.
    flow_match_schedule(steps, model_.scheduler(), model_.scheduler().base_image_seq_len);
    return s;
  }

  std::unique_ptr<Cond> encode_prompt(std::string_view text) const override {
    return model_.encode_prompt(text);
  }
  std::int64_t embedding_size() const override { return model_.transformer().config().pooled_dim; }
  // CLIP's pooled state.
  at::Tensor embedding(const Cond& cond) const override {
    return static_cast<const Prompt&>(cond).states.pooled;
  }

  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override {
    const auto prompts = handles<Prompt>(context);
    return model_.noise_net(noise, pass(prompts, context), context.run);
  }
  at::Tensor sample(const at::Tensor& noise, const at::Tensor&,
                    const PassContext& context) const override {
    const auto prompts = handles<Prompt>(context);
    return model_.sample(noise, of(context).steps, pass(prompts, context), context.run,
                         context.between_steps);
  }
  at::Tensor decode(const at::Tensor& latents, const PassContext& context) const override {
    return model_.decode(latents, &context.run, tiling_);
  }
  at::Tensor encode(const at::Tensor& image, const PassContext& context) const override {
    return model_.encode(image, &context.run);
  }

  PromptTensors prompt_tensors(const Cond& cond) const override {
    const auto& states = static_cast<const Prompt&>(cond).states;
    return {{"states", states.states}, {"pooled", states.pooled}};
  }
  std::unique_ptr<Cond> restore_prompt(std::string_view text,
                                       const PromptTensors& tensors) const override {
    return model_.restore_prompt(text,
                                 {find_tensor(tensors, "states"), find_tensor(tensors, "pooled")});
  }
  std::string text_key() const override { return model_.prompts().key(); }
  void release_text_encoder() const override { model_.prompts().release(); }
  std::vector<std::string> assumed() const override {
    std::vector<std::string> lines = model_.prompts().clip().assumed();
    if (!model_.vae().config().has_shift_factor)
      lines.push_back("vae/config.json has no shift_factor: 0 is taken");
    return lines;
  }
  std::vector<std::string> notes() const override {
    std::vector<std::string> lines;
    const auto add = [&](const char* what, const QuantiseReport& report) {
      if (report.tensors > 0)
        lines.push_back(std::string(what) + ": " + report.text(model_.options().quantise));
    };
    add("transformer", model_.report());
    add("text encoder", model_.prompts().report());
    return lines;
  }

  std::uint64_t bytes() const override { return model_.bytes(); }

 private:
  static const Settings& of(const PassContext& context) {
    return static_cast<const Settings&>(context.settings);
  }
  static Pass pass(const std::vector<const Prompt*>& prompts, const PassContext& context) {
    return {prompts, context.lora, of(context).guidance};
  }

  Model model_;
  Tiling tiling_;
};

}  // namespace

std::unique_ptr<LatentModel> load_generator(const Config& config) {
  return std::make_unique<Generator>(
      required_weights_option(config, "a FLUX folder in diffusers layout"),
      LoadOptions{.dtype = dtype_option(config),
                  .device = device_option(config),
                  .variant = config.str("variant", ""),
                  .quantise = quantise_option(config),
                  .prompts = {.max_length = config.i64("max_sequence_length", 256),
                              .mode = text_encoder_option(config)}},
      config);
}

}  // namespace hn::flux
