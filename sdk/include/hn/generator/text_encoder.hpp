// A text encoder of a pipeline: its folders, and weights that come and go as option text_encoder
// says. A generator derives from TextEncoder, says by a Recipe what is read, and adds how a prompt
// becomes tokens and states; clip_prompt_encoder.hpp is one.
#pragma once

#include <c10/core/GradMode.h>

#include <filesystem>
#include <functional>
#include <hn/generator/pipeline_options.hpp>
#include <hn/generator/pipeline_problems.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/nn/weight_map.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hn {

// What a pipeline asks of each. One thread at a time.
class TextEncoderBase {
 public:
  virtual ~TextEncoderBase() = default;
  TextEncoderBase(const TextEncoderBase&) = delete;
  TextEncoderBase& operator=(const TextEncoderBase&) = delete;

  // Reads the weights, unless the mode is kFree or the device at::kMeta.
  void prepare() const {
    if (options_.text_encoder != TextEncoderMode::kFree && !device_.is_meta()) load();
  }
  // The network's memory, where the mode is kFree.
  void release() const {
    if (options_.text_encoder == TextEncoderMode::kFree) unload();
  }
  // Of the weights that are held now.
  std::uint64_t bytes() const { return loaded() ? bytes_ : 0; }
  const QuantiseReport& report() const { return report_; }
  // Where the network is: the pipeline's device, or the CPU.
  at::Device device() const { return device_; }
  // The folder's name in the pipeline.
  const std::string& part() const { return encoder_; }

  // What the states of a prompt depend on: weights, tokenizer, type, device; a derived class adds
  // its own options.
  virtual std::string key() const;
  // What no file says and was taken for granted, a sentence each.
  virtual std::vector<std::string> assumed() const { return {}; }

 protected:
  // encoder, tokenizer: the parts' names. quantises: whether option `quantise` is for this one too.
  TextEncoderBase(std::string model, std::filesystem::path folder, const PipelineOptions& options,
                  std::string encoder, std::string tokenizer, std::string prefix, bool quantises);

  WeightMap open_weights(at::Device device) const;
  PipelineProblems problems() const { return {model_, folder_}; }
  // HN_DATA_LOSS where the tokenizer has ids that the vocabulary has not.
  void check_ids(std::int64_t ids, std::int64_t vocabulary, PipelineProblems& problems) const;
  void note_loaded(const WeightMap& weights);

  std::string model_;
  std::filesystem::path folder_;
  PipelineOptions options_;
  std::string encoder_, tokenizer_, prefix_;

 private:
  virtual void load() const = 0;
  virtual void unload() const = 0;
  virtual bool loaded() const = 0;

  at::Device device_;
  std::uint64_t bytes_ = 0;
  QuantiseReport report_;
};

template <class TokenizerType, class ConfigType, class NetworkType>
class TextEncoder : public TextEncoderBase {
 public:
  using Tokenizer = TokenizerType;
  using Config = ConfigType;
  using Network = NetworkType;
  struct Recipe {
    std::string encoder = "text_encoder", tokenizer = "tokenizer";  // the parts' folders
    std::string prefix;                                             // of stored names: WeightMap's
    std::vector<std::string> ignored;                               // WeightMap::finish's
    bool quantises = true;  // whether option `quantise` is for this encoder too
    std::function<Tokenizer(const std::filesystem::path& folder)> read_tokenizer;
    std::function<Config(const std::filesystem::path& file)> read_config;  // config.json
    std::function<std::unique_ptr<Network>(const Config&, WeightMap&)> make;
    // What has to hold between the two, beside the number of ids; may be empty.
    std::function<void(const Tokenizer&, const Config&, PipelineProblems&)> check;
  };

  // `model` begins the messages. The weights are compared with their configuration and not read
  // yet. Errors, all of them in one: those of the recipe's functions and of WeightMap::finish;
  // HN_DATA_LOSS where tokenizer and encoder do not fit together.
  TextEncoder(std::string model, std::filesystem::path folder, const PipelineOptions& options,
              Recipe recipe)
      : TextEncoderBase(std::move(model), std::move(folder), options, recipe.encoder,
                        recipe.tokenizer, recipe.prefix, recipe.quantises),
        recipe_(std::move(recipe)),
        parts_(read_parts()),
        network_([this] { return make_network(); }, /*now=*/false) {}

  const Tokenizer& tokenizer() const { return parts_.tokenizer; }
  const Config& config() const { return parts_.config; }
  // Loads it where it is not.
  Network& network() const { return network_.get(); }
  // How often it was loaded, and whether it is.
  const OnDemand<Network>& loading() const { return network_; }

 private:
  void load() const override { network_.get(); }
  void unload() const override { network_.free(); }
  bool loaded() const override { return network_.loaded(); }

  std::unique_ptr<Network> build(const Config& config, WeightMap& weights) const {
    const c10::NoGradGuard no_grad;
    auto network =
        make_module(model_, config_file(), weights, [&] { return recipe_.make(config, weights); });
    weights.finish(recipe_.ignored);
    if constexpr (requires { network->prepare(); }) network->prepare();
    return network;
  }
  std::filesystem::path config_file() const { return folder_ / encoder_ / "config.json"; }
  TextParts<Tokenizer, Config> read_parts() const {
    return read_text_parts(
        problems(), [this] { return recipe_.read_tokenizer(folder_ / tokenizer_); },
        [this] { return recipe_.read_config(config_file()); },
        [this](const Tokenizer& tokenizer, const Config& config, PipelineProblems& problems) {
          if (recipe_.check) recipe_.check(tokenizer, config, problems);
          check_ids(tokenizer.id_limit(), config.vocab_size, problems);
        },
        [this](const Config* config) {
          auto weights = open_weights(at::kMeta);
          if (config != nullptr) build(*config, weights);
        });
  }
  std::unique_ptr<Network> make_network() {
    auto weights = open_weights(device());
    auto network = build(config(), weights);
    note_loaded(weights);
    return network;
  }

  Recipe recipe_;
  TextParts<Tokenizer, Config> parts_;
  OnDemand<Network> network_;
};

}  // namespace hn
