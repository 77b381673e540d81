#include "model.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <map>
#include <optional>

#include <hn/generator/pipeline_folder.hpp>
#include <hn/nn/stream_order.hpp>

namespace hn::sana {
namespace {

// The bias that hides a padded caption token, as upstream has it.
constexpr double kHidden = -10000;

// Rows [L_i, D] to [U, L, D], zeros behind.
at::Tensor pad(const std::vector<at::Tensor>& rows, std::int64_t length) {
  if (rows.size() == 1) return rows[0].unsqueeze(0);
  auto padded = at::zeros({static_cast<std::int64_t>(rows.size()), length, rows[0].size(1)},
                          rows[0].options());
  for (std::size_t i = 0; i < rows.size(); ++i)
    padded[static_cast<std::int64_t>(i)].slice(0, 0, rows[i].size(0)).copy_(rows[i]);
  return padded;
}

void check_widths(const TransformerConfig& transformer, const std::optional<VaeConfig>& vae,
                  const PromptEncoder* prompts, PipelineProblems& problems) {
  if (vae && transformer.in_channels != vae->latent_channels)
    problems.refuse("the transformer has " + std::to_string(transformer.in_channels) +
                    " channels, the VAE's latents have " + std::to_string(vae->latent_channels));
  if (prompts != nullptr && prompts->config().hidden_size != transformer.caption_channels)
    problems.refuse("the text encoder is " + std::to_string(prompts->config().hidden_size) +
                    " wide, the transformer's caption_channels is " +
                    std::to_string(transformer.caption_channels));
}

}  // namespace

Model::Model(const std::filesystem::path& folder, const LoadOptions& options) : options_(options) {
  const c10::NoGradGuard no_grad;
  const auto open = [&](const char* part, at::Device device) {
    return WeightMap(SafetensorsFolder::open(folder / part, options.variant), options.dtype, device,
                     std::string("sana_sprint ") + part);
  };
  const auto load_transformer = [&](const TransformerConfig* config, at::Device device) {
    auto weights = open("transformer", device);
    if (config == nullptr) return;
    weights.set_quantise(options.quantise);
    transformer_ = std::make_unique<Transformer>(*config, weights);
    weights.finish();
    transformer_->prepare();
    bytes_ += weights.bytes();
    report_ = weights.report();
  };
  const auto load_vae = [&](const VaeConfig* config, at::Device device) {
    auto weights = open("vae", device);
    if (config == nullptr) return;
    encoder_ = std::make_unique<Encoder>(*config, weights);
    decoder_ = std::make_unique<Decoder>(*config, weights);
    weights.finish();
    encoder_->prepare();
    decoder_->prepare();
    bytes_ += weights.bytes();
  };

  // The whole folder before any weight is read, so that a wrong one costs no time.
  PipelineProblems problems("sana_sprint", folder);
  check_pipeline_folder(folder, "sana_sprint", "SanaSprintPipeline",
                        {{"transformer", {"SanaTransformer2DModel"}},
                         {"scheduler", {"SCMScheduler"}},
                         {"vae", {"AutoencoderDC"}},
                         {"text_encoder", {"Gemma2Model", "Gemma2ForCausalLM"}},
                         {"tokenizer", {"GemmaTokenizer", "GemmaTokenizerFast"}}},
                        problems);
  const auto transformer = check_part(
      problems, [&] { return TransformerConfig::read(folder / "transformer" / "config.json"); },
      [&](const TransformerConfig* config) { load_transformer(config, at::kMeta); });
  const auto vae = check_part(
      problems, [&] { return VaeConfig::read(folder / "vae" / "config.json"); },
      [&](const VaeConfig* config) { load_vae(config, at::kMeta); });
  problems.attempt(
      [&] { scheduler_ = SchedulerConfig::read(folder / "scheduler" / "scheduler_config.json"); });
  PromptOptions prompts = options.prompts;
  prompts.quantise = options.quantise;
  problems.attempt([&] {
    prompts_ = std::make_unique<PromptEncoder>(folder, options.dtype, options.device,
                                               options.variant, std::move(prompts));
  });
  if (transformer) check_widths(*transformer, vae, prompts_.get(), problems);
  problems.finish();

  vae_ = *vae;
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
                                              const at::Tensor& states) const {
  const c10::NoGradGuard no_grad;
  const std::int64_t channels = transformer_->config().caption_channels;
  if (!states.defined() || states.dim() != 2 || states.size(1) != channels ||
      states.scalar_type() != options_.dtype)
    throw Error(HN_DATA_LOSS,
                "[sana_sprint] a prompt's states: expected " +
                    std::string(at::toString(options_.dtype)) + " [L, " + std::to_string(channels) +
                    "], got " +
                    (states.defined() ? std::string(at::toString(states.scalar_type())) + " of " +
                                            std::to_string(states.dim()) + " dimensions"
                                      : "nothing"));
  auto prompt = std::make_unique<Prompt>();
  prompt->text = text;
  prompt->states = states.to(options_.device);
  prompt->caption = transformer_->caption(prompt->states, {});
  return prompt;
}

Caption Model::caption(std::span<const Prompt* const> prompts, const LoraSet& lora) const {
  // Equal handles are computed once.
  std::map<const Prompt*, std::int64_t> number;
  std::vector<std::int64_t> of_sample;
  std::vector<const Prompt*> distinct;
  std::int64_t length = 0;
  bool padded = false;
  for (const Prompt* prompt : prompts) {
    const auto [place, fresh] = number.emplace(prompt, static_cast<std::int64_t>(distinct.size()));
    of_sample.push_back(place->second);
    if (!fresh) continue;
    distinct.push_back(prompt);
    padded = padded || (length != 0 && length != prompt->states.size(0));
    length = std::max(length, prompt->states.size(0));
  }
  const bool adapted = transformer_->caption_adapted(lora);
  std::vector<at::Tensor> rows;
  for (const Prompt* prompt : distinct)
    rows.push_back(used_here(adapted ? prompt->states : prompt->caption));

  Caption caption;
  caption.states = adapted ? transformer_->caption(pad(rows, length), lora) : pad(rows, length);
  const auto count = static_cast<std::int64_t>(distinct.size());
  if (padded) {
    caption.bias = at::zeros({count, 1, 1, length}, rows[0].options());
    for (std::int64_t i = 0; i < count; ++i)
      caption.bias[i].slice(2, rows[static_cast<std::size_t>(i)].size(0), length).fill_(kHidden);
  }
  if (count > 1 && distinct.size() < prompts.size())
    caption.prompt_of_sample = at::tensor(of_sample, at::kLong).to(options_.device);
  return caption;
}

at::Tensor Model::noise_net(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                            const LoraSet& lora, double guidance_scale, BlockRunner* run) const {
  const double guidance = guidance_scale * transformer_->config().guidance_embeds_scale;
  return (*transformer_)(noise.to(options_.dtype), caption(prompts, lora), 1.0, guidance, lora, run)
      .to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, const at::Tensor& step_noise,
                         std::span<const Prompt* const> prompts, const LoraSet& lora,
                         const SampleOptions& options) const {
  const Caption text = caption(prompts, lora);
  const auto wide = accumulate_type(options_.dtype);
  const double sigma = scheduler_.sigma_data;
  double guidance = options.guidance_scale;
  // Upstream rounds the guidance scale to the text states' dtype before it multiplies.
  if (options_.dtype == at::kBFloat16)
    guidance =
        (at::full({}, guidance, at::kBFloat16) * transformer_->config().guidance_embeds_scale)
            .item<double>();
  else
    guidance *= transformer_->config().guidance_embeds_scale;

  auto x = noise.to(wide) * sigma;
  at::Tensor clean;
  for (std::size_t i = 0; i < options.steps.size(); ++i) {
    if (options.between_steps) options.between_steps();
    const ScmStep& step = options.steps[i];
    const auto input = x * (step.input_scale / sigma);
    const auto predicted =
        (*transformer_)(input.to(options_.dtype), text, step.timestep, guidance, lora, options.run)
            .to(wide);
    const double scale = sigma / step.divide;
    const auto f = input * (step.skip * scale) + predicted * (step.network * scale);
    clean = x * step.cos_t - f * step.sin_t;
    if (i + 1 < options.steps.size())
      x = clean * step.cos_next +
          step_noise[static_cast<std::int64_t>(i)].to(wide) * (step.sin_next * sigma);
  }
  return clean / sigma;
}

at::Tensor Model::decode(const at::Tensor& latents, BlockRunner* run, const Tiling& tiling) const {
  const auto scaled = latents.to(options_.dtype) / vae_.scaling_factor;
  BlockRunner plain;
  const auto decoded = tiling.cuts(latents.size(2), latents.size(3))
                           ? decode_in_tiles(
                                 scaled, tiling, vae_.factor(),
                                 [this](const at::Tensor& tile) { return (*decoder_)(tile); },
                                 run != nullptr ? *run : plain)
                           : (*decoder_)(scaled, run);
  const auto picture = decoded.to(accumulate_type(options_.dtype));
  return (picture * 0.5 + 0.5).clamp(0, 1);
}

at::Tensor Model::encode(const at::Tensor& image, BlockRunner* run) const {
  const auto latents = (*encoder_)((image * 2 - 1).to(options_.dtype), run);
  return latents.to(accumulate_type(options_.dtype)) * vae_.scaling_factor;
}

}  // namespace hn::sana
