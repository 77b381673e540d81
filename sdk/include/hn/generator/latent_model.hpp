// A latent-diffusion generator as the shared glue sees it: prompts to handles, noise to offsets and
// latents, latents to pictures and back.
//
// A plugin implements LatentModel, most of it by deriving from Pipeline (pipeline.hpp), which loads
// a folder in diffusers layout; functions.hpp turns it into hn.fn/1 (noise_net, generate, decode,
// encode) and generator_instance.hpp into the whole plugin. Everything is differentiable in
// noise, latents, images and adapters, never in the weights. One thread at a time; grad mode,
// device and stream are set by the caller. Errors are hn::Error.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <hn/cpp/config.hpp>
#include <hn/cpp/function.hpp>
#include <hn/nn/checkpoint.hpp>
#include <hn/nn/lora.hpp>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// What is fixed about a model's noise and pictures. width and height (pixels) are the defaults of
// the options of these names.
struct LatentGeometry {
  std::int64_t channels = 0;   // of noise and latents
  std::int64_t factor = 1;     // pixels a latent, in each direction
  std::int64_t size_unit = 1;  // width and height are multiples of it; itself a multiple of factor
  std::int64_t width = 0, height = 0;
};

// The model's own options of one opened function (guidance, schedule), checked and prepared. Each
// model has its own derived class and casts back to it.
class ModelSettings {
 public:
  virtual ~ModelSettings() = default;
};

// What one call brings along beside its tensors.
struct PassContext {
  std::span<const Cond* const> prompts;  // one a sample, or one for all; encode_prompt's handles
  const LoraSet& lora;
  const ModelSettings& settings;
  BlockRunner& run;                     // runs each block of the networks, see checkpoint.hpp
  std::function<void()> between_steps;  // to be called before each step, may throw; may be empty
};

// The call's settings as the class that the model's settings() makes.
template <class Settings>
const Settings& settings_of(const PassContext& context) {
  return static_cast<const Settings&>(context.settings);
}
// What LatentModel::settings() begins with: a copy of the defaults, or the model's own.
template <class Settings>
std::unique_ptr<Settings> settings_from(const ModelSettings* defaults) {
  if (defaults == nullptr) return std::make_unique<Settings>();
  return std::make_unique<Settings>(static_cast<const Settings&>(*defaults));
}
// HN_INVALID_ARGUMENT "[model] steps: expected 1 to MOST, got STEPS" where that is so.
inline void check_steps(const std::string& model, std::int64_t steps, std::int64_t most) {
  if (steps < 1 || steps > most)
    throw Error(HN_INVALID_ARGUMENT, "[" + model + "] steps: expected 1 to " +
                                         std::to_string(most) + ", got " + std::to_string(steps));
}

// A prompt's tensors by name, as they are kept on disk.
using PromptTensors = std::map<std::string, at::Tensor>;

// Undefined where there is none of this name.
inline at::Tensor find_tensor(const PromptTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? at::Tensor() : found->second;
}

class LatentModel {
 public:
  virtual ~LatentModel() = default;

  // The start of messages: "sana_sprint".
  virtual std::string name() const = 0;
  virtual at::Device device() const = 0;
  virtual LatentGeometry geometry() const = 0;

  // The denoiser's layers that can carry a LoRA, those of one block side by side; fixed from
  // construction on. output_layer() is the index of the one whose LoRA branch alone is a noise
  // network's output.
  virtual const std::vector<LayerInfo>& layers() const = 0;
  virtual int output_layer() const = 0;

  // Reads the model's own options. Those that are absent keep the values of `defaults`, which an
  // earlier call made; nullptr stands for the model's own defaults. HN_INVALID_ARGUMENT for values
  // or a number of steps that the model does not have.
  virtual std::unique_ptr<ModelSettings> settings(const Config& options, std::int64_t steps,
                                                  const ModelSettings* defaults) const = 0;
  // Whether sampling draws fresh noise between steps, as consistency models do.
  virtual bool draws_step_noise() const { return false; }

  // What a host keeps of a prompt. Never depends on prompts encoded before.
  virtual std::unique_ptr<Cond> encode_prompt(std::string_view text) const = 0;
  // What encode_prompt computed by the text encoder, and a handle from that, bit for bit the same.
  // Without tensors, prompts are not kept on disk.
  virtual PromptTensors prompt_tensors(const Cond&) const { return {}; }
  // HN_DATA_LOSS for tensors that are not this model's.
  virtual std::unique_ptr<Cond> restore_prompt(std::string_view text, const PromptTensors&) const;
  // Everything beside the prompt that its tensors depend on: weights, tokenizer, options.
  virtual std::string text_key() const { return {}; }
  // Option text_encoder = "free": called when prompts were encoded and a pass begins.
  virtual void release_text_encoder() const {}

  // A pooled vector [embedding_size] of a handle, any floating-point dtype.
  virtual std::int64_t embedding_size() const = 0;
  virtual at::Tensor embedding(const Cond& cond) const = 0;

  // noise: float32 [B, C, h, w], unit variance. Returns the offset, same shape; `lora` marks
  // output_layer() as branch_only.
  virtual at::Tensor noise_net(const at::Tensor& noise, const PassContext& context) const = 0;
  // noise as above; step_noise: float32 [steps-1, B, C, h, w], unit variance, undefined where the
  // model draws none or steps is 1. Returns unit-variance latents [B, C, h, w], at least float32.
  virtual at::Tensor sample(const at::Tensor& noise, const at::Tensor& step_noise,
                            const PassContext& context) const = 0;
  // Unit-variance latents to pictures [B, 3, H, W] in [0, 1] (clamped, gradient 0 outside), at
  // least float32, and back. `lora` and `prompts` are empty.
  virtual at::Tensor decode(const at::Tensor& latents, const PassContext& context) const = 0;
  virtual at::Tensor encode(const at::Tensor& image, const PassContext& context) const = 0;

  // Bytes of the weights held.
  virtual std::uint64_t bytes() const = 0;
  // Forgets caches.
  virtual void trim() const {}
  // Lines for the log about how the weights were loaded.
  virtual std::vector<std::string> notes() const { return {}; }
  // What no file of the folder says and was taken for granted, a sentence each.
  virtual std::vector<std::string> assumed() const { return {}; }
};

inline std::unique_ptr<Cond> LatentModel::restore_prompt(std::string_view,
                                                         const PromptTensors&) const {
  throw Error(HN_UNSUPPORTED, "[" + name() + "] prompts of this model are not kept on disk");
}

}  // namespace hn
