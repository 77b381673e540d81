#include "model.hpp"

#include <ATen/ATen.h>

#include <hn/nn/autoencoder_kl.hpp>

namespace hn::sd {
namespace {

struct Settings final : ModelSettings {
  EulerSchedule schedule;
};

}  // namespace

Model::Model(const std::filesystem::path& folder, const PipelineOptions& options)
    : Pipeline("sd_turbo", folder, options) {
  Loading load(*this, "StableDiffusionPipeline",
               {{"unet", {"UNet2DConditionModel"}},
                {"scheduler", {"EulerDiscreteScheduler"}},
                {"vae", {"AutoencoderKL"}},
                {"text_encoder", {"CLIPTextModel"}},
                {"tokenizer", {"CLIPTokenizer", "CLIPTokenizerFast"}}});
  const auto unet = load.network("unet", UNetConfig::read, unet_);
  const auto vae = load.autoencoder<AutoencoderKL>(
      [](const auto& file) { return AutoencoderKLConfig::read(file, "sd_turbo"); });
  load.configuration("scheduler/scheduler_config.json", SchedulerConfig::read, scheduler_);
  load.text_encoder(prompts_);
  if (unet && vae)
    load.require(unet->channels == vae->latent_channels,
                 "the U-Net has " + std::to_string(unet->channels) +
                     " channels, the VAE's latents have " + std::to_string(vae->latent_channels));
  if (unet && prompts_ != nullptr)
    for (const UNetStage& stage : unet->stages)
      load.require(stage.cross_dim == prompts_->width(),
                   "the text encoder is " + std::to_string(prompts_->width()) +
                       " wide, the U-Net's cross_attention_dim is " +
                       std::to_string(stage.cross_dim));
  load.finish();
}

std::unique_ptr<ModelSettings> Model::settings(const Config&, std::int64_t steps,
                                               const ModelSettings*) const {
  auto s = std::make_unique<Settings>();
  s->schedule = euler_schedule(steps, scheduler_);
  return s;
}

std::vector<std::string> Model::assumed() const {
  std::vector<std::string> lines = Pipeline::assumed();
  const UNetConfig& unet = unet_->config();
  if (unet.sample_width != unet.sample_size)
    lines.push_back("unet/config.json has a sample_size of " + std::to_string(unet.sample_size) +
                    " x " + std::to_string(unet.sample_width) +
                    ": pictures are square, of the first number, unless a size is given");
  return lines;
}

Text Model::text(const PassContext& context) const {
  const DistinctPrompts prompts = distinct(context);
  return {prompts.stacked("states"), prompts.of_sample};
}

at::Tensor Model::noise_net(const at::Tensor& noise, const PassContext& context) const {
  const auto last = static_cast<double>(scheduler_.num_train_timesteps - 1);
  return (*unet_)(noise.to(options().dtype), last, text(context), context.lora, &context.run)
      .to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, const at::Tensor&,
                         const PassContext& context) const {
  const EulerSchedule& schedule = settings_of<Settings>(context).schedule;
  const Text states = text(context);
  auto x = noise.to(wide()) * schedule.init_sigma;
  for (const EulerStep& step : schedule.steps) {
    if (context.between_steps) context.between_steps();
    const auto predicted = (*unet_)((x * step.input_scale).to(options().dtype), step.timestep,
                                    states, context.lora, &context.run)
                               .to(wide());
    x = (step.keep == 1 ? x : x * step.keep) + predicted * step.network;
  }
  return x;
}

}  // namespace hn::sd
