// A Stable Diffusion folder in memory (SD-Turbo's family), and what it computes: prompts to
// handles, noise to offsets and latents, latents to pictures and back.
//
// Source: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py without
// guidance (guidance_scale up to 1). Differences: the state between steps stays float32, where
// upstream rounds it to the weights' dtype; the safety checker of a folder is not run. All
// functions are differentiable in noise and adapters, none in the weights. One thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <hn/cpp/function.hpp>
#include <memory>
#include <span>
#include <string>

#include "euler_scheduler.hpp"
#include <hn/generator/clip_prompt_encoder.hpp>
#include <hn/nn/autoencoder_kl.hpp>
#include <hn/nn/tiles.hpp>
#include "unet.hpp"

namespace hn::sd {

// One encoded prompt: what a host keeps as a handle.
struct Prompt final : Cond {
  std::string text;
  at::Tensor states;  // [length, width]

  std::uint64_t size_bytes() const override {
    return sizeof(*this) + text.size() + states.nbytes();
  }
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::string variant;                  // "", "bf16", "fp16"
  Quantise quantise = Quantise::kNone;  // of the U-Net's weights
  TextEncoderMode text_encoder = TextEncoderMode::kKeep;
};

class Model {
 public:
  // Errors: those of the configurations and weights, with the file's name; HN_NOT_FOUND for a
  // folder that is not there; HN_UNSUPPORTED for another pipeline's; HN_DATA_LOSS for parts that do
  // not fit together.
  Model(const std::filesystem::path& folder, const LoadOptions& options);

  std::unique_ptr<Prompt> encode_prompt(std::string_view text) const;
  // The handle that encode_prompt gave when its states were `states`. HN_DATA_LOSS for another
  // shape or type than the text encoder's.
  std::unique_ptr<Prompt> restore_prompt(std::string_view text, const at::Tensor& states) const;

  // noise: [B, C, h, w], unit variance. Returns the offset, same shape and dtype: the U-Net's
  // answer at the last training time step to the noise itself. `lora` should mark conv_out as
  // branch_only. `run`, here and below, runs the networks' blocks; nullptr keeps what their
  // backward needs.
  at::Tensor noise_net(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                       const LoraSet& lora, BlockRunner* run = nullptr) const;
  // noise as above. Returns the final unit-variance latents, [B, C, h, w], at least float32.
  // between_steps is called before each step and may throw; may be empty.
  at::Tensor sample(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                    const LoraSet& lora, const EulerSchedule& schedule,
                    const std::function<void()>& between_steps = {},
                    BlockRunner* run = nullptr) const;
  // Unit-variance latents [B, C, h, w] to pictures [B, 3, H, W] in [0, 1]; values outside are
  // clamped (gradient 0 there). Latents larger than a tile are decoded in tiles. And back.
  at::Tensor decode(const at::Tensor& latents, BlockRunner* run = nullptr,
                    const Tiling& tiling = {}) const;
  at::Tensor encode(const at::Tensor& image, BlockRunner* run = nullptr) const;

  // The prompts of a batch: one a sample, or one for all.
  Text text(std::span<const Prompt* const> prompts) const;

  const UNet& unet() const { return *unet_; }
  const AutoencoderKL& vae() const { return *vae_; }
  const ClipPromptEncoder& prompts() const { return *prompts_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }
  const LoadOptions& options() const { return options_; }
  std::uint64_t bytes() const { return bytes_ + prompts_->bytes(); }
  const QuantiseReport& report() const { return report_; }  // of the U-Net

 private:
  LoadOptions options_;
  SchedulerConfig scheduler_;
  std::unique_ptr<ClipPromptEncoder> prompts_;
  std::unique_ptr<UNet> unet_;
  std::unique_ptr<AutoencoderKL> vae_;
  std::uint64_t bytes_ = 0;  // without the text encoder
  QuantiseReport report_;
};

}  // namespace hn::sd
