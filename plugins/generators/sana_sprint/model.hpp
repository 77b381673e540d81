// A SANA-Sprint folder as a generator.
//
// Source: diffusers 0.42.1, pipelines/sana/pipeline_sana_sprint.py.
#pragma once

#include <hn/generator/pipeline.hpp>

#include "prompt_encoder.hpp"
#include "scm_scheduler.hpp"
#include "transformer.hpp"

namespace hn::sana {

class Model final : public Pipeline {
 public:
  // Errors: those of the configurations and weights, with the file's name; HN_NOT_FOUND for a
  // folder that is not there; HN_UNSUPPORTED for another pipeline's; HN_DATA_LOSS for parts that do
  // not fit together.
  Model(const std::filesystem::path& folder, const PipelineOptions& options,
        const PromptOptions& prompts = {});

  LatentGeometry geometry() const override {
    const TransformerConfig& c = transformer_->config();
    return square(c.in_channels, c.patch_size, c.sample_size);
  }
  const std::vector<LayerInfo>& layers() const override { return transformer_->layers(); }
  int output_layer() const override { return transformer_->proj_out_layer(); }
  // Options guidance_scale, max_timestep, intermediate_timestep and bfloat16_timestep.
  std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                          const ModelSettings* defaults) const override;
  bool draws_step_noise() const override { return true; }

  // The transformer at time 1 with hidden = noise.
  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override;
  // Consistency sampling.
  at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                    const PassContext& context) const override;
  void trim() const override { transformer_->trim(); }

  // The captions of a batch.
  Caption caption(const PassContext& context) const;
  const Transformer& transformer() const { return *transformer_; }
  const PromptEncoder& prompts() const { return *prompts_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }

 private:
  // The text encoder's; derived from them is "caption" [L, width], projected by the frozen weights.
  std::vector<PromptState> prompt_states() const override {
    return {{"states", {-1, transformer_->config().caption_channels}}};
  }
  PromptTensors encode(std::string_view text) const override {
    return {{"states", prompts_->encode(text)}};
  }
  PromptTensors derive(const PromptTensors& states) const override {
    return {{"caption", transformer_->caption(states.at("states"), {})}};
  }

  std::unique_ptr<Transformer> transformer_;
  const PromptEncoder* prompts_ = nullptr;
  SchedulerConfig scheduler_;
};

}  // namespace hn::sana
