// A FLUX folder in memory, and what it computes: prompts to handles, noise to offsets and latents,
// latents to pictures and back.
//
// Source: diffusers 0.42.1, pipelines/flux/pipeline_flux.py without true guidance, image prompts
// and control. Differences: the state between steps stays float32, where upstream rounds it to the
// weights' dtype; latents are [B, C, h, w] everywhere, the transformer packs them itself, so that
// a noise is the same numbers as upstream's packed one, in another order. All functions are
// differentiable in noise and adapters, none in the weights. One thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <hn/cpp/function.hpp>
#include <memory>
#include <span>
#include <string>

#include "flow_match_scheduler.hpp"
#include "prompt_encoder.hpp"
#include <hn/nn/autoencoder_kl.hpp>
#include <hn/nn/tiles.hpp>
#include "transformer.hpp"

namespace hn::flux {

// One encoded prompt: what a host keeps as a handle.
struct Prompt final : Cond {
  std::string text;
  PromptStates states;

  std::uint64_t size_bytes() const override {
    return sizeof(*this) + text.size() + states.states.nbytes() + states.pooled.nbytes();
  }
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::string variant;                  // "", "bf16", "fp16"
  Quantise quantise = Quantise::kNone;  // of the transformer's and T5's weights
  PromptOptions prompts = {};           // its quantise follows the one above
};

// What one pass is given beside its tensors.
struct Pass {
  std::span<const Prompt* const> prompts;  // one a sample, or one for all
  const LoraSet& lora;
  double guidance = 0;  // where the transformer has an embedding for it
};

class Model {
 public:
  // Errors: those of the configurations and weights, with the file's name; HN_NOT_FOUND for a
  // folder that is not there; HN_UNSUPPORTED for another pipeline's; HN_DATA_LOSS for parts that do
  // not fit together.
  Model(const std::filesystem::path& folder, const LoadOptions& options);

  std::unique_ptr<Prompt> encode_prompt(std::string_view text) const;
  // A handle from states that encode_prompt computed. HN_DATA_LOSS for other shapes or types.
  std::unique_ptr<Prompt> restore_prompt(std::string_view text, const PromptStates& states) const;

  // noise: [B, C, h, w], unit variance, h and w even. Returns the offset, same shape and dtype: the
  // transformer's answer at time 1, where the state is the noise itself. `lora` should mark
  // proj_out as branch_only.
  at::Tensor noise_net(const at::Tensor& noise, const Pass& pass, BlockRunner& run) const;
  // noise as above. Returns the final unit-variance latents, [B, C, h, w], at least float32.
  // between_steps is called before each step and may throw; may be empty.
  at::Tensor sample(const at::Tensor& noise, std::int64_t steps, const Pass& pass, BlockRunner& run,
                    const std::function<void()>& between_steps = {}) const;
  // Unit-variance latents [B, C, h, w] to pictures [B, 3, H, W] in [0, 1]; values outside are
  // clamped (gradient 0 there). And back.
  at::Tensor decode(const at::Tensor& latents, BlockRunner* run = nullptr,
                    const Tiling& tiling = {}) const;
  at::Tensor encode(const at::Tensor& image, BlockRunner* run = nullptr) const;

  // The prompts of a batch; equal handles are taken once.
  Text text(std::span<const Prompt* const> prompts) const;

  const Transformer& transformer() const { return *transformer_; }
  const AutoencoderKL& vae() const { return *vae_; }
  const PromptEncoder& prompts() const { return *prompts_; }
  const SchedulerConfig& scheduler() const { return scheduler_; }
  const LoadOptions& options() const { return options_; }
  const QuantiseReport& report() const { return report_; }  // of the transformer
  std::uint64_t bytes() const { return bytes_ + prompts_->bytes(); }

 private:
  LoadOptions options_;
  SchedulerConfig scheduler_;
  std::unique_ptr<PromptEncoder> prompts_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<AutoencoderKL> vae_;
  QuantiseReport report_;
  std::uint64_t bytes_ = 0;  // without the text encoders
};

}  // namespace hn::flux
