// A Stable Diffusion folder (SD-Turbo's family) as a generator.
//
// Source: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py without
// guidance (guidance_scale up to 1). Differences: the state between steps stays float32, where
// upstream rounds it to the weights' dtype; the safety checker of a folder is not run.
#pragma once

#include <hn/generator/clip_prompt_encoder.hpp>
#include <hn/generator/pipeline.hpp>

#include "euler_scheduler.hpp"
#include "unet.hpp"

namespace hn::sd {

class Model final : public Pipeline {
 public:
  // Errors: those of the configurations and weights, with the file's name; HN_NOT_FOUND for a
  // folder that is not there; HN_UNSUPPORTED for another pipeline's; HN_DATA_LOSS for parts that do
  // not fit together.
  Model(const std::filesystem::path& folder, const PipelineOptions& options);

  LatentGeometry geometry() const override {
    return square(unet_->config().channels, 1, unet_->config().sample_size);
  }
  const std::vector<LayerInfo>& layers() const override { return unet_->layers(); }
  int output_layer() const override { return unet_->conv_out_layer(); }
  std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                          const ModelSettings* defaults) const override;

  // The U-Net's answer at the last training time step to the noise itself.
  at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const override;
  at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                    const PassContext& context) const override;
  std::vector<std::string> assumed() const override;

  // The prompts of a batch.
  Text text(const PassContext& context) const;
  const UNet& unet() const { return *unet_; }
  const ClipPromptEncoder& prompts() const { return *prompts_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }

 private:
  std::vector<PromptState> prompt_states() const override {
    return {{"states", {prompts_->length(), prompts_->width()}}};
  }
  PromptTensors encode(std::string_view text) const override {
    return {{"states", prompts_->encode(text).hidden.squeeze(0)}};
  }

  std::unique_ptr<UNet> unet_;
  const ClipPromptEncoder* prompts_ = nullptr;
  SchedulerConfig scheduler_;
};

}  // namespace hn::sd
