#include "model.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <hn/cpp/error.hpp>
#include <map>
#include <optional>

#include <hn/generator/pipeline_folder.hpp>
#include <hn/nn/stream_order.hpp>

namespace hn::flux {
namespace {

void check_widths(const TransformerConfig& transformer,
                  const std::optional<AutoencoderKLConfig>& vae, const PromptEncoder* prompts,
                  PipelineProblems& problems) {
  const auto require = [&](std::int64_t has, std::int64_t wanted, const char* what,
                           const char* field) {
    if (has != wanted)
      problems.refuse(std::string(what) + " " + std::to_string(has) + ", the transformer's " +
                      field + " is " + std::to_string(wanted));
  };
  if (vae)
    require(4 * vae->latent_channels, transformer.in_channels,
            "the VAE's latents, packed by four, have channels", "in_channels");
  if (prompts == nullptr) return;
  require(prompts->t5_config().d_model, transformer.text_dim, "text_encoder_2 has a width of",
          "joint_attention_dim");
  require(prompts->clip().width(), transformer.pooled_dim, "text_encoder has a width of",
          "pooled_projection_dim");
}

}  // namespace

Model::Model(const std::filesystem::path& folder, const LoadOptions& options) : options_(options) {
  const c10::NoGradGuard no_grad;
  const auto open = [&](const char* part, at::Device device) {
    return WeightMap(SafetensorsFolder::open(folder / part, options.variant), options.dtype, device,
                     std::string("flux_schnell ") + part);
  };
  const auto load_transformer = [&](const TransformerConfig* config, at::Device device) {
    auto weights = open("transformer", device);
    if (config == nullptr) return;
    weights.set_quantise(options.quantise);
    transformer_ = std::make_unique<Transformer>(*config, weights);
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
  PipelineProblems problems("flux_schnell", folder);
  check_pipeline_folder(folder, "flux_schnell", "FluxPipeline",
                        {{"transformer", {"FluxTransformer2DModel"}},
                         {"scheduler", {"FlowMatchEulerDiscreteScheduler"}},
                         {"vae", {"AutoencoderKL"}},
                         {"text_encoder", {"CLIPTextModel"}},
                         {"tokenizer", {"CLIPTokenizer", "CLIPTokenizerFast"}},
                         {"text_encoder_2", {"T5EncoderModel"}},
                         {"tokenizer_2", {"T5Tokenizer", "T5TokenizerFast"}}},
                        problems);
  const auto transformer = check_part(
      problems, [&] { return TransformerConfig::read(folder / "transformer" / "config.json"); },
      [&](const TransformerConfig* config) { load_transformer(config, at::kMeta); });
  const auto vae = check_part(
      problems,
      [&] { return AutoencoderKLConfig::read(folder / "vae" / "config.json", "flux_schnell"); },
      [&](const AutoencoderKLConfig* config) { load_vae(config, at::kMeta); });
  problems.attempt(
      [&] { scheduler_ = SchedulerConfig::read(folder / "scheduler" / "scheduler_config.json"); });
  PromptOptions prompts = options.prompts;
  prompts.quantise = options.quantise;
  problems.attempt([&] {
    prompts_ = std::make_unique<PromptEncoder>(folder, options.dtype, options.device,
                                               options.variant, prompts);
  });
  if (transformer) check_widths(*transformer, vae, prompts_.get(), problems);
  problems.finish();

  if (!options.device.is_meta()) {
    load_transformer(&*transformer, options.device);
    load_vae(&*vae, options.device);
  }
  prompts_->prepare();
}

std::unique_ptr<Prompt> Model::encode_prompt(std::string_view text) const {
  const c10::NoGradGuard no_grad;
  return restore_prompt(text, prompts_->encode(text));
}

std::unique_ptr<Prompt> Model::restore_prompt(std::string_view text,
                                              const PromptStates& states) const {
  const auto check = [&](const at::Tensor& x, const char* what, std::int64_t dim,
                         std::int64_t width) {
    if (x.defined() && x.dim() == dim && x.size(-1) == width && x.scalar_type() == options_.dtype)
      return;
    throw Error(HN_DATA_LOSS, std::string("[flux_schnell] a prompt's ") + what + ": expected " +
                                  at::toString(options_.dtype) + " of " + std::to_string(dim) +
                                  " dimensions, the last one " + std::to_string(width) + ", got " +
                                  (x.defined() ? std::string(at::toString(x.scalar_type())) + " " +
                                                     c10::str(x.sizes())
                                               : "nothing"));
  };
  check(states.states, "states", 2, transformer_->config().text_dim);
  check(states.pooled, "pooled state", 1, transformer_->config().pooled_dim);
  auto prompt = std::make_unique<Prompt>();
  prompt->text = text;
  prompt->states = {states.states.to(options_.device), states.pooled.to(options_.device)};
  return prompt;
}

Text Model::text(std::span<const Prompt* const> prompts) const {
  std::map<const Prompt*, std::int64_t> number;
  std::vector<std::int64_t> of_sample;
  std::vector<at::Tensor> states, pooled;
  for (const Prompt* prompt : prompts) {
    const auto [place, fresh] = number.emplace(prompt, static_cast<std::int64_t>(states.size()));
    of_sample.push_back(place->second);
    if (!fresh) continue;
    states.push_back(used_here(prompt->states.states));
    pooled.push_back(used_here(prompt->states.pooled));
  }
  Text text{at::stack(states), at::stack(pooled), {}};
  if (states.size() > 1 && states.size() < prompts.size())
    text.prompt_of_sample = at::tensor(of_sample, at::kLong).to(options_.device);
  return text;
}

at::Tensor Model::noise_net(const at::Tensor& noise, const Pass& pass, BlockRunner& run) const {
  return (*transformer_)(noise.to(options_.dtype), text(pass.prompts), 1.0, pass.guidance,
                         pass.lora, run)
      .to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, std::int64_t steps, const Pass& pass,
                         BlockRunner& run, const std::function<void()>& between_steps) const {
  const Text states = text(pass.prompts);
  const auto wide = accumulate_type(options_.dtype);
  const std::int64_t tokens = noise.size(2) * noise.size(3) / 4;
  auto x = noise.to(wide);
  for (const FlowStep& step : flow_match_schedule(steps, scheduler_, tokens)) {
    if (between_steps) between_steps();
    // Rounded as upstream's tensor is. Its divisor is 1000 whatever the scheduler says.
    const double time = (at::full({}, step.timestep, options_.dtype) / 1000).item<double>();
    const auto velocity =
        (*transformer_)(x.to(options_.dtype), states, time, pass.guidance, pass.lora, run);
    x = x + velocity.to(wide) * step.delta;
  }
  return x;
}

at::Tensor Model::decode(const at::Tensor& latents, BlockRunner* run, const Tiling& tiling) const {
  const auto input = latents.to(options_.dtype);
  BlockRunner plain;
  const auto decoded = tiling.cuts(input.size(2), input.size(3))
                           ? decode_in_tiles(
                                 input, tiling, vae_->config().factor(),
                                 [this](const at::Tensor& tile) { return vae_->decode(tile); },
                                 run != nullptr ? *run : plain)
                           : vae_->decode(input, run);
  return (decoded.to(accumulate_type(options_.dtype)) * 0.5 + 0.5).clamp(0, 1);
}

at::Tensor Model::encode(const at::Tensor& image, BlockRunner* run) const {
  return vae_->encode((image * 2 - 1).to(options_.dtype), run).to(accumulate_type(options_.dtype));
}

}  // namespace hn::flux
