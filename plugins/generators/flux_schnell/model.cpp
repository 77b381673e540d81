#include "model.hpp"

#include <ATen/ATen.h>

#include <hn/nn/autoencoder_kl.hpp>

namespace hn::flux {
namespace {

// Latents of a side of the pictures that noise networks were trained on (512 px at factor 8).
constexpr std::int64_t kDefaultSide = 64;
constexpr std::int64_t kPatch = 2;  // latents of a token's side

struct Settings final : ModelSettings {
  std::int64_t steps = 1;
  double guidance = 3.5;
};

}  // namespace

Model::Model(const std::filesystem::path& folder, const PipelineOptions& options,
             std::int64_t max_length)
    : Pipeline("flux_schnell", folder, options) {
  Loading load(*this, "FluxPipeline",
               {{"transformer", {"FluxTransformer2DModel"}},
                {"scheduler", {"FlowMatchEulerDiscreteScheduler"}},
                {"vae", {"AutoencoderKL"}},
                {"text_encoder", {"CLIPTextModel"}},
                {"tokenizer", {"CLIPTokenizer", "CLIPTokenizerFast"}},
                {"text_encoder_2", {"T5EncoderModel"}},
                {"tokenizer_2", {"T5Tokenizer", "T5TokenizerFast"}}});
  const auto transformer = load.network("transformer", TransformerConfig::read, transformer_);
  const auto vae = load.autoencoder<AutoencoderKL>(
      [](const auto& file) { return AutoencoderKLConfig::read(file, "flux_schnell"); });
  load.configuration("scheduler/scheduler_config.json", SchedulerConfig::read, scheduler_);
  load.text_encoder(clip_);
  load.text_encoder(t5_, max_length);
  const auto require = [&](std::int64_t has, std::int64_t wanted, const char* what,
                           const char* field) {
    load.require(has == wanted, std::string(what) + " " + std::to_string(has) +
                                    ", the transformer's " + field + " is " +
                                    std::to_string(wanted));
  };
  if (transformer && vae)
    require(kPatch * kPatch * vae->latent_channels, transformer->in_channels,
            "the VAE's latents, packed by four, have channels", "in_channels");
  if (transformer && t5_ != nullptr)
    require(t5_->config().d_model, transformer->text_dim, "text_encoder_2 has a width of",
            "joint_attention_dim");
  if (transformer && clip_ != nullptr)
    require(clip_->width(), transformer->pooled_dim, "text_encoder has a width of",
            "pooled_projection_dim");
  load.finish();
  has_shift_factor_ = vae->has_shift_factor;
}

LatentGeometry Model::geometry() const {
  return square(transformer_->config().latent_channels(), kPatch, kDefaultSide);
}

std::unique_ptr<ModelSettings> Model::settings(const Config& options, std::int64_t steps,
                                               const ModelSettings* defaults) const {
  auto s = settings_from<Settings>(defaults);
  s->steps = steps;
  s->guidance = options.f64("guidance_scale", s->guidance);
  // The size counts with dynamic shifting only; here the number of steps is checked.
  flow_match_schedule(steps, scheduler_, scheduler_.base_image_seq_len);
  return s;
}

std::vector<std::string> Model::assumed() const {
  std::vector<std::string> lines = Pipeline::assumed();
  if (!has_shift_factor_) lines.emplace_back("vae/config.json has no shift_factor: 0 is taken");
  return lines;
}

std::vector<PromptState> Model::prompt_states() const {
  const TransformerConfig& c = transformer_->config();
  return {{"states", {-1, c.text_dim}}, {"pooled", {c.pooled_dim}}};
}

PromptTensors Model::encode(std::string_view text) const {
  return {{"states", t5_->encode(text)}, {"pooled", clip_->encode(text).pooled.squeeze(0)}};
}

at::Tensor Model::embedding(const Cond& cond) const {
  return static_cast<const EncodedPrompt&>(cond).at("pooled");
}

Text Model::text(const PassContext& context) const {
  const DistinctPrompts prompts = distinct(context);
  return {prompts.stacked("states"), prompts.stacked("pooled"), prompts.of_sample};
}

at::Tensor Model::noise_net(const at::Tensor& noise, const PassContext& context) const {
  return (*transformer_)(noise.to(options().dtype), text(context), 1.0,
                         settings_of<Settings>(context).guidance, context.lora, context.run)
      .to(noise.scalar_type());
}

at::Tensor Model::sample(const at::Tensor& noise, const at::Tensor&,
                         const PassContext& context) const {
  const Settings& settings = settings_of<Settings>(context);
  const Text states = text(context);
  const auto dtype = options().dtype;
  const std::int64_t tokens = noise.size(2) * noise.size(3) / (kPatch * kPatch);
  auto x = noise.to(wide());
  for (const FlowStep& step : flow_match_schedule(settings.steps, scheduler_, tokens)) {
    if (context.between_steps) context.between_steps();
    // Rounded as upstream's tensor is. Its divisor is 1000 whatever the scheduler says.
    const double time = (at::full({}, step.timestep, dtype) / 1000).item<double>();
    const auto velocity =
        (*transformer_)(x.to(dtype), states, time, settings.guidance, context.lora, context.run);
    x = x + velocity.to(wide()) * step.delta;
  }
  return x;
}

}  // namespace hn::flux
