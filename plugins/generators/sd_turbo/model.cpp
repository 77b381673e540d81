#include "model.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <map>
#include <optional>
#include <vector>

#include <hn/generator/pipeline_folder.hpp>
#include <hn/nn/stream_order.hpp>

namespace hn::sd {
namespace {

void check_widths(const std::optional<UNetConfig>& unet,
                  const std::optional<AutoencoderKLConfig>& vae, const ClipPromptEncoder* prompts,
                  PipelineProblems& problems) {
  if (unet && vae && unet->channels != vae->latent_channels)
    problems.refuse("the U-Net has " + std::to_string(unet->channels) +
                    " channels, the VAE's latents have " + std::to_string(vae->latent_channels));
  if (!unet || prompts == nullptr) return;
  for (const UNetStage& stage : unet->stages)
    if (stage.cross_dim != prompts->width())
      problems.refuse("the text encoder is " + std::to_string(prompts->width()) +
                      " wide, the U-Net's cross_attention_dim is " +
                      std::to_string(stage.cross_dim));
}

}  // namespace

Model::Model(const std::filesystem::path& folder, const LoadOptions& options) : options_(options) {
  const c10::NoGradGuard no_grad;
  const auto open = [&](const char* part, at::Device device) {
    return WeightMap(open_part(folder / part, options.variant), options.dtype, device,
                     std::string("sd_turbo ") + part);
  };
  const auto load_unet = [&](const UNetConfig* config, at::Device device) {
    auto weights = open("unet", device);
    if (config == nullptr) return;
    weights.set_quantise(options.quantise);
    unet_ = std::make_unique<UNet>(*config, weights);
    weights.finish();
    bytes_ += weights.bytes();
    report_ = weights.report();
  };
  const auto load_vae = [&](const AutoencoderKLConfig* config, at::Device device) {
    auto weights = open("vae", device);
    if (config == nullptr) return;
    vae_ = std::make_unique<AutoencoderKL>(*config, weights);
    weights.finish();
    bytes_ += weights.bytes();
  };

  // The whole folder before any weight is read, so that a wrong one costs no time.
  PipelineProblems problems("sd_turbo", folder);
  check_pipeline_folder(folder, "sd_turbo", "StableDiffusionPipeline",
                        {{"unet", {"UNet2DConditionModel"}},
                         {"scheduler", {"EulerDiscreteScheduler"}},
                         {"vae", {"AutoencoderKL"}},
                         {"text_encoder", {"CLIPTextModel"}},
                         {"tokenizer", {"CLIPTokenizer", "CLIPTokenizerFast"}}},
                        problems);
  const auto unet = check_part(
      problems, [&] { return UNetConfig::read(folder / "unet" / "config.json"); },
      [&](const UNetConfig* config) { load_unet(config, at::kMeta); });
  const auto vae = check_part(
      problems,
      [&] { return AutoencoderKLConfig::read(folder / "vae" / "config.json", "sd_turbo"); },
      [&](const AutoencoderKLConfig* config) { load_vae(config, at::kMeta); });
  problems.attempt(
      [&] { scheduler_ = SchedulerConfig::read(folder / "scheduler" / "scheduler_config.json"); });
  problems.attempt([&] {
    prompts_ = std::make_unique<ClipPromptEncoder>(
        folder, "sd_turbo", options.dtype, options.device, options.variant, options.text_encoder);
  });
  check_widths(unet, vae, prompts_.get(), problems);
  problems.finish();

  if (!options.device.is_meta()) {
    load_unet(&*unet, options.device);
    load_vae(&*vae, options.device);
  }
  prompts_->prepare();
}

std::unique_ptr<Prompt> Model::encode_prompt(std::string_view text) const {
  const c10::NoGradGuard no_grad;
  return restore_prompt(text, prompts_->encode(text).hidden.squeeze(0));
}

std::unique_ptr<Prompt> Model::restore_prompt(std::string_view text,
                                              const at::Tensor& states) const {
  const std::vector<std::int64_t> wanted{prompts_->length(), prompts_->width()};
  if (!states.defined() || states.sizes() != at::IntArrayRef(wanted) ||
      states.scalar_type() != options_.dtype)
    throw Error(HN_DATA_LOSS, "[sd_turbo] a prompt's states: expected " +
                                  std::string(at::toString(options_.dtype)) + " " +
                                  c10::str(at::IntArrayRef(wanted)) + ", got " +
                                  (states.defined() ? at::toString(states.scalar_type()) +
                                                          (" " + c10::str(states.sizes()))
                                                    : "nothing"));
  auto prompt = std::make_unique<Prompt>();
  prompt->text = text;
  prompt->states = states.to(options_.device);
  return prompt;
}

Text Model::text(std::span<const Prompt* const> prompts) const {
  // Equal handles are computed once.
  std::map<const Prompt*, std::int64_t> number;
  std::vector<std::int64_t> of_sample;
  std::vector<at::Tensor> distinct;
  for (const Prompt* prompt : prompts) {
    const auto [place, fresh] = number.emplace(prompt, static_cast<std::int64_t>(distinct.size()));
    of_sample.push_back(place->second);
    if (fresh) distinct.push_back(used_here(prompt->states));
  }
  Text text{at::stack(distinct), {}};
  if (distinct.size() > 1 && distinct.size() < prompts.size())
    text.prompt_of_sample = at::tensor(of_sample, at::kLong).to(options_.device);
  return text;
}

at::Tensor Model::noise_net(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                            const LoraSet& lora, BlockRunner* run) const {
  const auto last = static_cast<double>(scheduler_.num_train_timesteps - 1);
  return (*unet_)(noise.to(options_.dtype), last, text(prompts), lora, run).to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                         const LoraSet& lora, const EulerSchedule& schedule,
                         const std::function<void()>& between_steps, BlockRunner* run) const {
  const Text states = text(prompts);
  const auto wide = accumulate_type(options_.dtype);
  auto x = noise.to(wide) * schedule.init_sigma;
  for (const EulerStep& step : schedule.steps) {
    if (between_steps) between_steps();
    const auto predicted =
        (*unet_)((x * step.input_scale).to(options_.dtype), step.timestep, states, lora, run)
            .to(wide);
    x = (step.keep == 1 ? x : x * step.keep) + predicted * step.network;
  }
  return x;
}

at::Tensor Model::decode(const at::Tensor& latents, BlockRunner* run, const Tiling& tiling) const {
  const auto z = latents.to(options_.dtype);
  BlockRunner plain;
  const auto decoded = tiling.cuts(z.size(2), z.size(3))
                           ? decode_in_tiles(
                                 z, tiling, vae_->config().factor(),
                                 [this](const at::Tensor& tile) { return vae_->decode(tile); },
                                 run != nullptr ? *run : plain)
                           : vae_->decode(z, run);
  return (decoded.to(accumulate_type(options_.dtype)) * 0.5 + 0.5).clamp(0, 1);
}

at::Tensor Model::encode(const at::Tensor& image, BlockRunner* run) const {
  return vae_->encode((image * 2 - 1).to(options_.dtype), run).to(accumulate_type(options_.dtype));
}

}  // namespace hn::sd
