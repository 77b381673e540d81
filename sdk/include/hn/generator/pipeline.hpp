// A folder in diffusers layout as a LatentModel: everything but the network and its scheduler.
//
// A generator derives from Pipeline. Its constructor says by a Loading which parts the folder has,
// and what is left for it to write is how a prompt becomes tensors (encode), what the network makes
// of noise (noise_net, sample), and the numbers that describe both. docs/writing_a_generator.md has
// the whole of one:
//
//   MyModel::MyModel(const fs::path& folder, const PipelineOptions& options)
//       : Pipeline("my_model", folder, options) {
//     Loading load(*this, "MyPipeline", {{"unet", {"UNet2DConditionModel"}}, ...});
//     const auto unet = load.network("unet", UNetConfig::read, unet_);
//     const auto vae = load.autoencoder<AutoencoderKL>(read_vae);
//     load.configuration("scheduler/scheduler_config.json", SchedulerConfig::read, scheduler_);
//     load.text_encoder(prompts_);
//     if (unet && vae) load.require(unet->channels == vae->latent_channels, "...");
//     load.finish();
//   }
#pragma once

#include <c10/core/GradMode.h>

#include <filesystem>
#include <functional>
#include <hn/generator/encoded_prompt.hpp>
#include <hn/generator/latent_model.hpp>
#include <hn/generator/pipeline_folder.hpp>
#include <hn/generator/pipeline_options.hpp>
#include <hn/generator/text_encoder.hpp>
#include <hn/nn/autoencoder.hpp>
#include <hn/nn/weight_map.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hn {

// A tensor that a prompt consists of, and its shape; -1 stands for any size. In the weights' dtype.
struct PromptState {
  std::string name;
  std::vector<std::int64_t> shape;
};

class Pipeline : public LatentModel {
 public:
  std::string name() const final { return model_; }
  at::Device device() const final { return options_.device; }

  std::unique_ptr<Cond> encode_prompt(std::string_view text) const final;
  PromptTensors prompt_tensors(const Cond& cond) const final;
  std::unique_ptr<Cond> restore_prompt(std::string_view text,
                                       const PromptTensors& states) const final;
  std::string text_key() const final;
  void release_text_encoder() const final;
  // The mean of the first state over its tokens, unless a model has a better one.
  std::int64_t embedding_size() const override;
  at::Tensor embedding(const Cond& cond) const override;

  // Latents larger than a tile are decoded in tiles, where option vae_tile says so.
  at::Tensor decode(const at::Tensor& latents, const PassContext& context) const final;
  at::Tensor encode(const at::Tensor& image, const PassContext& context) const final;

  std::uint64_t bytes() const final;
  std::vector<std::string> notes() const final;
  std::vector<std::string> assumed() const override;

  const PipelineOptions& options() const { return options_; }
  const Autoencoder& autoencoder() const { return *vae_; }
  const QuantiseReport& report() const { return report_; }  // of the network's weights

 protected:
  // `model` begins the messages ("sd_turbo").
  Pipeline(std::string model, std::filesystem::path folder, const PipelineOptions& options)
      : model_(std::move(model)), folder_(std::move(folder)), options_(options) {}

  // The tensors of a prompt, in a fixed order; the first is what embedding() means.
  virtual std::vector<PromptState> prompt_states() const = 0;
  // One prompt at a time: its numbers then never depend on which prompts it was encoded with, which
  // an exact resume needs. On any device. HN_INVALID_ARGUMENT for a text that cannot be encoded.
  virtual PromptTensors encode(std::string_view text) const = 0;
  // What the network wants of a prompt and frozen weights alone decide.
  virtual PromptTensors derive(const PromptTensors&) const { return {}; }

  // geometry() of a model whose noise has `channels`, whose sizes are multiples of `unit` latents,
  // and whose pictures have `side` latents unless a size is given.
  LatentGeometry square(std::int64_t channels, std::int64_t unit, std::int64_t side) const {
    const std::int64_t factor = vae_->factor();
    return {channels, factor, unit * factor, side * factor, side * factor};
  }
  DistinctPrompts distinct(const PassContext& context) const {
    return distinct_prompts(context.prompts, options_.device);
  }
  // The type of a state between steps, at least float32.
  at::ScalarType wide() const;

  class Loading;

 private:
  std::string model_;
  std::filesystem::path folder_;
  PipelineOptions options_;
  std::vector<std::unique_ptr<TextEncoderBase>> text_encoders_;
  std::unique_ptr<Autoencoder> vae_;
  Tiling tiling_;
  std::string network_part_;
  QuantiseReport report_;
  std::uint64_t bytes_ = 0;  // without the text encoders
};

// Reads a pipeline's folder into it. The whole folder is looked at before any weight is read, so
// that a wrong one costs no time and all of its problems are told at once, by finish(). What could
// not be read is empty until then.
class Pipeline::Loading {
 public:
  // HN_NOT_FOUND where the folder is none; its model_index.json as check_pipeline_folder() has it.
  Loading(Pipeline& pipeline, const std::string& class_name,
          const std::vector<PipelinePart>& parts);

  // The network: PART/config.json by `read`, and of it and the weights `into`. Its weights are what
  // option `quantise` is for.
  template <class Network, class Read>
  auto network(const std::string& part, const Read& read, std::unique_ptr<Network>& into) {
    pipeline_.network_part_ = part;
    return with_weights(part, read, pipeline_.options_.quantise,
                        [this, part, &into](const auto& config, WeightMap& weights) {
                          into = make<Network>(part, config, weights);
                          pipeline_.report_ = weights.report();
                        });
  }
  // vae/ likewise; Vae is an Autoencoder.
  template <class Vae, class Read>
  auto autoencoder(const Read& read) {
    return with_weights("vae", read, Quantise::kNone,
                        [this](const auto& config, WeightMap& weights) {
                          pipeline_.vae_ = make<Vae>("vae", config, weights);
                        });
  }
  // A part without weights. `file` is relative to the folder.
  template <class Config, class Read>
  void configuration(const std::string& file, const Read& read, Config& into) {
    problems_.attempt([&] { into = read(pipeline_.folder_ / file); });
  }
  // A text encoder, made of (model, folder, options, more...). `into` stays null where it could not
  // be; the pipeline owns it.
  template <class Encoder, class... More>
  void text_encoder(const Encoder*& into, More&&... more) {
    problems_.attempt([&] {
      auto made = std::make_unique<Encoder>(pipeline_.model_, pipeline_.folder_, pipeline_.options_,
                                            std::forward<More>(more)...);
      into = made.get();
      pipeline_.text_encoders_.push_back(std::move(made));
    });
  }
  // A problem between parts unless `fits`: HN_DATA_LOSS "[model] FOLDER: TEXT".
  void require(bool fits, const std::string& text) {
    if (!fits) problems_.refuse(text);
  }
  // Throws every problem; then reads the weights.
  void finish();

 private:
  template <class Module, class Config>
  std::unique_ptr<Module> make(const std::string& part, const Config& config,
                               WeightMap& weights) const {
    auto module = make_module(pipeline_.model_, config_file(part), weights,
                              [&] { return std::make_unique<Module>(config, weights); });
    weights.finish();
    if constexpr (requires { module->prepare(); }) module->prepare();
    return module;
  }
  std::filesystem::path config_file(const std::string& part) const {
    return pipeline_.folder_ / part / "config.json";
  }
  WeightMap open(const std::string& part, at::Device device, Quantise quantise) const;
  // Builds on at::kMeta now, and in finish() on the device.
  template <class Read, class Build>
  auto with_weights(const std::string& part, const Read& read, Quantise quantise,
                    const Build& build) {
    const auto config = check_part(
        problems_, [&] { return read(config_file(part)); },
        [&](const auto* found) {
          auto dry = open(part, at::kMeta, quantise);
          if (found != nullptr) build(*found, dry);
        });
    if (config)
      later_.push_back([this, part, quantise, build, config = *config] {
        auto weights = open(part, pipeline_.options_.device, quantise);
        build(config, weights);
        pipeline_.bytes_ += weights.bytes();
      });
    return config;
  }

  c10::NoGradGuard no_grad_;
  Pipeline& pipeline_;
  PipelineProblems problems_;
  std::vector<std::function<void()>> later_;
};

}  // namespace hn
