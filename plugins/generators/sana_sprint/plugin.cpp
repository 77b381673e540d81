// sana_sprint: one-step and few-step text-to-image with SANA-Sprint (arXiv 2503.09641), from any
// folder in diffusers layout.
//
// This file is the glue between the ABI and model.hpp. Options and layout on disk: README.md.
#include <ATen/ATen.h>

#include <hn/cpp/plugin.hpp>

#include "functions.hpp"
#include "torch/model_options.hpp"

namespace {

namespace sana = hn::sana;

class SanaSprint final : public hn::Instance {
 public:
  SanaSprint(const hn::Host& host, const hn::Config& config)
      : Instance(host),
        folder_(hn::weights_option(config, "weights/emoji-sprint")),
        model_(load(config)) {
    const std::int64_t pixels = model_.transformer().config().sample_size * model_.vae().factor();
    defaults_ = read_options(config, {.width = pixels, .height = pixels});
    for (const auto& layer : model_.transformer().layers()) {
      const auto kernel = static_cast<std::int32_t>(layer.kernel);
      layers_.push_back({layer.name, layer.conv ? HN_LAYER_CONV2D : HN_LAYER_LINEAR, layer.in,
                         layer.out, kernel, kernel, static_cast<std::int32_t>(layer.groups)});
    }
  }

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config& config) override {
    auto made = hn::translate_errors(
        [&] { return sana::make_function(name, model_, host(), read_options(config, defaults_)); });
    if (!made) throw unknown_function(name);
    return made;
  }

  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const std::string_view> prompts,
                                                hn_stream stream) override {
    return hn::translate_errors([&] {
      const hn::Entry entry(stream, /*grad=*/false);
      std::vector<std::unique_ptr<hn::Cond>> handles;
      for (const std::string_view prompt : prompts) handles.push_back(model_.encode_prompt(prompt));
      return handles;
    });
  }
  std::uint64_t embedding_size() const override {
    return static_cast<std::uint64_t>(model_.transformer().config().caption_channels);
  }
  // The mean of the text encoder's states over the prompt's tokens.
  void embedding(const hn::Cond& cond, hn_stream stream, const DLTensor& out) override {
    hn::translate_errors([&] {
      const hn::Entry entry(stream, /*grad=*/false);
      hn::tensor_view(out).copy_(
          static_cast<const sana::Prompt&>(cond).states.to(at::kFloat).mean(0));
    });
  }

  bool has_adapters() const override { return true; }
  const std::vector<hn::LayerSpec>& layers(std::string_view function) override {
    if (function != "noise_net" && function != "generate") throw unknown_function(function);
    return layers_;
  }

  std::uint64_t used_bytes() const override { return model_.bytes(); }
  void trim(hn_stream) override { model_.transformer().trim(); }

 private:
  sana::Model load(const hn::Config& config) const {
    return hn::translate_errors([&] {
      const hn::Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
      return sana::Model(folder_,
                         {.dtype = hn::dtype_option(config),
                          .device = hn::device_option(config),
                          .variant = config.str("variant", ""),
                          .prompts = {.max_tokens = config.i64("max_sequence_length", 300),
                                      .instruction = config.list("complex_human_instruction")}});
    });
  }

  static sana::FunctionOptions read_options(const hn::Config& config, sana::FunctionOptions o) {
    o.width = config.i64("width", o.width);
    o.height = config.i64("height", o.height);
    o.steps = config.i64("steps", o.steps);
    o.guidance_scale = config.f64("guidance_scale", o.guidance_scale);
    o.schedule.max_timestep = config.f64("max_timestep", o.schedule.max_timestep);
    o.schedule.intermediate_timestep =
        config.f64("intermediate_timestep", o.schedule.intermediate_timestep);
    o.schedule.bfloat16_timestep =
        config.boolean("bfloat16_timestep", o.schedule.bfloat16_timestep);
    o.lora_rank = config.i64("lora.rank", o.lora_rank);
    o.lora_alpha = config.f64(
        "lora.alpha", o.lora_alpha > 0 ? o.lora_alpha : 2.0 * static_cast<double>(o.lora_rank));
    o.lora_dense_groups = config.boolean("lora.dense_groups", o.lora_dense_groups);
    auto targets = config.list("lora.targets");
    if (!targets.empty()) o.lora_targets = std::move(targets);
    if (o.lora_targets.empty()) o.lora_targets = {"all-linear"};
    return o;
  }

  std::filesystem::path folder_;
  sana::Model model_;
  sana::FunctionOptions defaults_;
  std::vector<hn::LayerSpec> layers_;
};

}  // namespace

HN_PLUGIN(SanaSprint, "hn.generator.sana_sprint", "0.1.0");
