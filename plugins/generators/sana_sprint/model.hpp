// A SANA-Sprint folder in memory, and what it computes: prompts to handles, noise to offsets and
// images, images to latents and back.
//
// Source: diffusers 0.42.1, pipelines/sana/pipeline_sana_sprint.py. All functions are
// differentiable in noise and adapters, none in the weights. One thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <hn/cpp/function.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dc_ae_decoder.hpp"
#include "dc_ae_encoder.hpp"
#include "prompt_encoder.hpp"
#include "scm_scheduler.hpp"
#include <hn/nn/tiles.hpp>
#include "transformer.hpp"

namespace hn::sana {

// One encoded prompt: what a host keeps as a handle.
struct Prompt final : Cond {
  std::string text;
  at::Tensor states;   // [L, caption_channels], the text encoder's
  at::Tensor caption;  // [L, width], projected by the frozen weights

  std::uint64_t size_bytes() const override {
    return sizeof(*this) + text.size() + states.nbytes() + caption.nbytes();
  }
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::string variant;                  // "", "bf16", "fp16"
  Quantise quantise = Quantise::kNone;  // of the transformer's and the text encoder's weights
  PromptOptions prompts;
};

struct SampleOptions {
  double guidance_scale = 4.5;
  std::vector<ScmStep> steps;
  std::function<void()> between_steps;  // may throw to stop; empty: nothing
  BlockRunner* run = nullptr;           // runs the transformer's blocks; null: all are kept
};

class Model {
 public:
  // Errors: those of the configurations and weights, with the file's name; HN_NOT_FOUND for a
  // folder that is not there.
  Model(const std::filesystem::path& folder, const LoadOptions& options);

  std::unique_ptr<Prompt> encode_prompt(std::string_view text) const;
  // The handle that encode_prompt gave when its states were `states`. HN_DATA_LOSS for another
  // shape or type than the text encoder's.
  std::unique_ptr<Prompt> restore_prompt(std::string_view text, const at::Tensor& states) const;

  // noise: [B, C, h, w], unit variance. Returns the offset of the same shape and dtype: the
  // transformer at time 1 with hidden = noise, guidance 4.5 (guidance_scale) times its scale.
  // `lora` should mark proj_out as branch_only.
  at::Tensor noise_net(const at::Tensor& noise, std::span<const Prompt* const> prompts,
                       const LoraSet& lora, double guidance_scale,
                       BlockRunner* run = nullptr) const;

  // Consistency sampling. noise: [B, C, h, w], unit variance; step_noise: [n-1, B, C, h, w], unit
  // variance, may be undefined for n = 1. Returns the final latents, unit variance, [B, C, h, w],
  // at least float32.
  at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                    std::span<const Prompt* const> prompts, const LoraSet& lora,
                    const SampleOptions& options) const;

  // Unit-variance latents [B, C, h, w] to pictures [B, 3, H, W] in [0, 1]; values outside are
  // clamped (gradient 0 there). Latents larger than a tile are decoded in tiles.
  at::Tensor decode(const at::Tensor& latents, BlockRunner* run = nullptr,
                    const Tiling& tiling = {}) const;
  // Pictures in [0, 1] to unit-variance latents.
  at::Tensor encode(const at::Tensor& image, BlockRunner* run = nullptr) const;

  // The captions of a batch: one prompt a sample, or one for all.
  Caption caption(std::span<const Prompt* const> prompts, const LoraSet& lora) const;

  const Transformer& transformer() const { return *transformer_; }
  const PromptEncoder& prompts() const { return *prompts_; }
  const VaeConfig& vae() const { return vae_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }
  const LoadOptions& options() const { return options_; }
  std::uint64_t bytes() const { return bytes_ + prompts_->bytes(); }
  const QuantiseReport& report() const { return report_; }  // of the transformer

 private:
  LoadOptions options_;
  VaeConfig vae_;
  SchedulerConfig scheduler_;
  std::unique_ptr<PromptEncoder> prompts_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<Decoder> decoder_;
  std::uint64_t bytes_ = 0;  // without the text encoder
  QuantiseReport report_;
};

}  // namespace hn::sana
