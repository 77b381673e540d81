#include "generator.hpp"

#include <ATen/ATen.h>

#include "model.hpp"
#include <hn/nn/model_options.hpp>

namespace hn::sd {
namespace {

struct Settings final : ModelSettings {
  EulerSchedule schedule;
};

class Generator final : public LatentModel {
 public:
  Generator(const std::filesystem::path& folder, const LoadOptions& options, const Config& config)
      : model_(folder, options),
        tiling_(tiling_option(config, model_.vae().config().factor(), 4)) {}

  std::string name() const override { return "sd_turbo"; }
  at::Device device() const override { return model_.options().device; }
  LatentGeometry geometry() const override {
    const std::int64_t factor = model_.vae().config().factor(),
                       pixels = model_.unet().config().sample_size * factor;
    return {model_.unet().config().channels, factor, factor, pixels, pixels};
  }
  const std::vector<LayerInfo>& layers() const override { return model_.unet().layers(); }
  int output_layer() const override { return model_.unet().conv_out_layer(); }

  std::unique_ptr<ModelSettings> settings(const Config&, std::int64_t steps,
                                          const ModelSettings*) const override {
    auto s = std::make_unique<Settings>();
    s->schedule = euler_schedule(steps, model_.scheduler());
    return s;
  }

  std::unique_ptr<Cond> encode_prompt(std::string_view text) const override {
    return model_.encode_prompt(text);
  }
  std::int64_t embedding_size() const override { return model_.prompts().width(); }
  // The mean of the text encoder's states.
  at::Tensor embedding(const Cond& cond) const override {
    return static_cast<const Prompt&>(cond).states.to(at::kFloat).mean(0);
  }

  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override {
    return model_.noise_net(noise, handles<Prompt>(context), context.lora, &context.run);
  }
  at::Tensor sample(const at::Tensor& noise, const at::Tensor&,
                    const PassContext& context) const override {
    return model_.sample(noise, handles<Prompt>(context), context.lora,
                         static_cast<const Settings&>(context.settings).schedule,
                         context.between_steps, &context.run);
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
  std::vector<std::string> assumed() const override {
    std::vector<std::string> lines = model_.prompts().assumed();
    const UNetConfig& unet = model_.unet().config();
    if (unet.sample_width != unet.sample_size)
      lines.push_back("unet/config.json has a sample_size of " + std::to_string(unet.sample_size) +
                      " x " + std::to_string(unet.sample_width) +
                      ": pictures are square, of the first number, unless a size is given");
    return lines;
  }
  std::vector<std::string> notes() const override {
    if (model_.report().tensors == 0) return {};
    return {"U-Net: " + model_.report().text(model_.options().quantise)};
  }

  std::uint64_t bytes() const override { return model_.bytes(); }

 private:
  Model model_;
  Tiling tiling_;
};

}  // namespace

std::unique_ptr<LatentModel> load_generator(const Config& config) {
  return std::make_unique<Generator>(
      required_weights_option(config, "a Stable Diffusion folder in diffusers layout"),
      LoadOptions{.dtype = dtype_option(config),
                  .device = device_option(config),
                  .variant = config.str("variant", ""),
                  .quantise = quantise_option(config),
                  .text_encoder = text_encoder_option(config)},
      config);
}

}  // namespace hn::sd
