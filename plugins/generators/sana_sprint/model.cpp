#include "model.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "autoencoder_dc.hpp"

namespace hn::sana {
namespace {

// The bias that hides a padded caption token, as upstream has it.
constexpr double kHidden = -10000;

struct Settings final : ModelSettings {
  double guidance_scale = 4.5;
  ScmOptions schedule;
  std::vector<ScmStep> steps;
};

// Rows [L_i, D] to [U, L, D], zeros behind.
at::Tensor pad(const std::vector<at::Tensor>& rows, std::int64_t length) {
  if (rows.size() == 1) return rows[0].unsqueeze(0);
  auto padded = at::zeros({static_cast<std::int64_t>(rows.size()), length, rows[0].size(1)},
                          rows[0].options());
  for (std::size_t i = 0; i < rows.size(); ++i)
    padded[static_cast<std::int64_t>(i)].slice(0, 0, rows[i].size(0)).copy_(rows[i]);
  return padded;
}

}  // namespace

Model::Model(const std::filesystem::path& folder, const PipelineOptions& options,
             const PromptOptions& prompts)
    : Pipeline("sana_sprint", folder, options) {
  Loading load(*this, "SanaSprintPipeline",
               {{"transformer", {"SanaTransformer2DModel"}},
                {"scheduler", {"SCMScheduler"}},
                {"vae", {"AutoencoderDC"}},
                {"text_encoder", {"Gemma2Model", "Gemma2ForCausalLM"}},
                {"tokenizer", {"GemmaTokenizer", "GemmaTokenizerFast"}}});
  const auto transformer = load.network("transformer", TransformerConfig::read, transformer_);
  const auto vae = load.autoencoder<AutoencoderDC>(VaeConfig::read);
  load.configuration("scheduler/scheduler_config.json", SchedulerConfig::read, scheduler_);
  load.text_encoder(prompts_, prompts);
  if (transformer && vae)
    load.require(transformer->in_channels == vae->latent_channels,
                 "the transformer has " + std::to_string(transformer->in_channels) +
                     " channels, the VAE's latents have " + std::to_string(vae->latent_channels));
  if (transformer && prompts_ != nullptr)
    load.require(prompts_->config().hidden_size == transformer->caption_channels,
                 "the text encoder is " + std::to_string(prompts_->config().hidden_size) +
                     " wide, the transformer's caption_channels is " +
                     std::to_string(transformer->caption_channels));
  load.finish();
}

std::unique_ptr<ModelSettings> Model::settings(const Config& options, std::int64_t steps,
                                               const ModelSettings* defaults) const {
  auto s = settings_from<Settings>(defaults);
  s->guidance_scale = options.f64("guidance_scale", s->guidance_scale);
  ScmOptions& schedule = s->schedule;
  schedule.max_timestep = options.f64("max_timestep", schedule.max_timestep);
  schedule.intermediate_timestep =
      options.f64("intermediate_timestep", schedule.intermediate_timestep);
  schedule.bfloat16_timestep = options.boolean("bfloat16_timestep", schedule.bfloat16_timestep);
  s->steps = scm_schedule(steps, scheduler_, schedule);
  return s;
}

Caption Model::caption(const PassContext& context) const {
  const DistinctPrompts prompts = distinct(context);
  const bool adapted = transformer_->caption_adapted(context.lora);
  const auto rows = prompts.tensors(adapted ? "states" : "caption");
  std::int64_t length = 0;
  for (const at::Tensor& row : rows) length = std::max(length, row.size(0));

  Caption caption;
  caption.states =
      adapted ? transformer_->caption(pad(rows, length), context.lora) : pad(rows, length);
  caption.prompt_of_sample = prompts.of_sample;
  const bool padded = std::any_of(rows.begin(), rows.end(),
                                  [&](const at::Tensor& row) { return row.size(0) != length; });
  if (!padded) return caption;
  const auto count = static_cast<std::int64_t>(rows.size());
  caption.bias = at::zeros({count, 1, 1, length}, rows[0].options());
  for (std::int64_t i = 0; i < count; ++i)
    caption.bias[i].slice(2, rows[static_cast<std::size_t>(i)].size(0), length).fill_(kHidden);
  return caption;
}

at::Tensor Model::noise_net(const at::Tensor& noise, const PassContext& context) const {
  const double guidance =
      settings_of<Settings>(context).guidance_scale * transformer_->config().guidance_embeds_scale;
  return (*transformer_)(noise.to(options().dtype), caption(context), 1.0, guidance, context.lora,
                         &context.run)
      .to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, const at::Tensor& step_noise,
                         const PassContext& context) const {
  const Settings& settings = settings_of<Settings>(context);
  const Caption text = caption(context);
  const auto dtype = options().dtype;
  const double sigma = scheduler_.sigma_data;
  double guidance = settings.guidance_scale;
  // Upstream rounds the guidance scale to the text states' dtype before it multiplies.
  if (dtype == at::kBFloat16)
    guidance =
        (at::full({}, guidance, at::kBFloat16) * transformer_->config().guidance_embeds_scale)
            .item<double>();
  else
    guidance *= transformer_->config().guidance_embeds_scale;

  auto x = noise.to(wide()) * sigma;
  at::Tensor clean;
  for (std::size_t i = 0; i < settings.steps.size(); ++i) {
    if (context.between_steps) context.between_steps();
    const ScmStep& step = settings.steps[i];
    const auto input = x * (step.input_scale / sigma);
    const auto predicted =
        (*transformer_)(input.to(dtype), text, step.timestep, guidance, context.lora, &context.run)
            .to(wide());
    const double scale = sigma / step.divide;
    const auto f = input * (step.skip * scale) + predicted * (step.network * scale);
    clean = x * step.cos_t - f * step.sin_t;
    if (i + 1 < settings.steps.size())
      x = clean * step.cos_next +
          step_noise[static_cast<std::int64_t>(i)].to(wide()) * (step.sin_next * sigma);
  }
  return clean / sigma;
}

}  // namespace hn::sana
