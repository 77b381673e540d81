#include "generator.hpp"

#include <ATen/ATen.h>

#include <hn/nn/model_options.hpp>

namespace hn::sana {
namespace {

struct Settings final : ModelSettings {
  double guidance_scale = 4.5;
  ScmOptions schedule;
  std::vector<ScmStep> steps;
};

class Generator final : public LatentModel {
 public:
  Generator(const std::filesystem::path& folder, const LoadOptions& options, const Config& config)
      : model_(folder, options), tiling_(tiling_option(config, model_.vae().factor(), 8)) {}

  std::string name() const override { return "sana_sprint"; }
  at::Device device() const override { return model_.options().device; }
  LatentGeometry geometry() const override {
    const auto& c = model_.transformer().config();
    const std::int64_t factor = model_.vae().factor(), pixels = c.sample_size * factor;
    return {c.in_channels, factor, factor * c.patch_size, pixels, pixels};
  }
  const std::vector<LayerInfo>& layers() const override { return model_.transformer().layers(); }
  int output_layer() const override { return model_.transformer().proj_out_layer(); }

  std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                          const ModelSettings* defaults) const override {
    auto s = defaults == nullptr
                 ? std::make_unique<Settings>()
                 : std::make_unique<Settings>(static_cast<const Settings&>(*defaults));
    s->guidance_scale = options.f64("guidance_scale", s->guidance_scale);
    s->schedule.max_timestep = options.f64("max_timestep", s->schedule.max_timestep);
    s->schedule.intermediate_timestep =
        options.f64("intermediate_timestep", s->schedule.intermediate_timestep);
    s->schedule.bfloat16_timestep =
        options.boolean("bfloat16_timestep", s->schedule.bfloat16_timestep);
    s->steps = scm_schedule(steps, model_.scheduler(), s->schedule);
    return s;
  }
  bool draws_step_noise() const override { return true; }

  std::unique_ptr<Cond> encode_prompt(std::string_view text) const override {
    return model_.encode_prompt(text);
  }
  std::int64_t embedding_size() const override {
    return model_.transformer().config().caption_channels;
  }
  // The mean of the text encoder's states over the prompt's tokens.
  at::Tensor embedding(const Cond& cond) const override {
    return static_cast<const Prompt&>(cond).states.to(at::kFloat).mean(0);
  }

  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override {
    return model_.noise_net(noise, handles<Prompt>(context), context.lora,
                            of(context).guidance_scale, &context.run);
  }
  at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                    const PassContext& context) const override {
    const Settings& s = of(context);
    return model_.sample(noise, step_noise, handles<Prompt>(context), context.lora,
                         {s.guidance_scale, s.steps, context.between_steps, &context.run});
  }
  at::Tensor decode(const at::Tensor& latents, const PassContext& context) const override {
    return model_.decode(latents, &context.run, tiling_);
  }
  at::Tensor encode(const at::Tensor& image, const PassContext& context) const override {
    return model_.encode(image, &context.run);
  }

  PromptTensors prompt_tensors(const Cond& cond) const override {
    return {{"states", static_cast<const Prompt&>(cond).states}};
  }
  std::unique_ptr<Cond> restore_prompt(std::string_view text,
                                       const PromptTensors& tensors) const override {
    return model_.restore_prompt(text, find_tensor(tensors, "states"));
  }
  std::string text_key() const override { return model_.prompts().key(); }
  void release_text_encoder() const override { model_.prompts().release(); }
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
  void trim() const override { model_.transformer().trim(); }

 private:
  static const Settings& of(const PassContext& context) {
    return static_cast<const Settings&>(context.settings);
  }
  Model model_;
  Tiling tiling_;
};

}  // namespace

std::unique_ptr<LatentModel> load_generator(const Config& config) {
  return std::make_unique<Generator>(
      weights_option(config, "weights/emoji-sprint"),
      LoadOptions{.dtype = dtype_option(config),
                  .device = device_option(config),
                  .variant = config.str("variant", ""),
                  .quantise = quantise_option(config),
                  .prompts = {.max_tokens = config.i64("max_sequence_length", 300),
                              .instruction = config.list("complex_human_instruction"),
                              .mode = text_encoder_option(config)}},
      config);
}

}  // namespace hn::sana
