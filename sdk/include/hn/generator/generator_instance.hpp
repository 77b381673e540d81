// A LatentModel as a plugin: functions, prompts, adapters, memory. The whole of a plugin.cpp:
//
//   std::unique_ptr<hn::LatentModel> load(const hn::Config& config) {
//     return std::make_unique<MyModel>(hn::required_weights_option(config, "a folder of my model"),
//                                      hn::pipeline_options(config));
//   }
//   using Plugin = hn::GeneratorPlugin<load>;
//   HN_PLUGIN(Plugin, "org.example.generator.my_model", "0.1.0");
#pragma once

#include <functional>
#include <hn/cpp/plugin.hpp>
#include <hn/generator/functions.hpp>
#include <hn/generator/latent_model.hpp>
#include <hn/generator/prompt_store.hpp>
#include <hn/nn/weight_audit.hpp>
#include <memory>
#include <optional>
#include <vector>

namespace hn {

class GeneratorInstance : public Instance, public AuditsWeights {
 public:
  // Calls `load` once, with gradients off and LibTorch's errors translated. The options of `config`
  // become the defaults of every open call. Read here for every model: text_encoder
  // (text_encoder_mode.hpp), prompt_cache and prompt_cache_mb (prompt_store.hpp).
  GeneratorInstance(const Host& host, const Config& config,
                    const std::function<std::unique_ptr<LatentModel>()>& load);

  std::unique_ptr<Function> open(std::string_view name, const Config& config) override;

  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts,
                                            hn_stream stream) override;
  std::uint64_t embedding_size() const override;
  void embedding(const Cond& cond, hn_stream stream, const DLTensor& out) override;

  bool has_adapters() const override { return true; }
  // Of noise_net and generate, which share the denoiser.
  const std::vector<LayerSpec>& layers(std::string_view function) override;

  std::vector<MemoryUse> memory_use() const override {
    return {{dl_device(model_->device()), model_->bytes()}};
  }
  void trim(hn_stream stream) override;

  const LatentModel& model() const { return *model_; }

 private:
  std::unique_ptr<Cond> encode_one(std::string_view prompt);

  std::unique_ptr<LatentModel> model_;
  std::optional<PromptStore> store_;
  FunctionOptions defaults_;
  std::vector<LayerSpec> layers_;
};

// The instance of a plugin whose model is made by `load`.
template <std::unique_ptr<LatentModel> (*load)(const Config&)>
class GeneratorPlugin final : public GeneratorInstance {
 public:
  GeneratorPlugin(const Host& host, const Config& config)
      : GeneratorInstance(host, config, [&config] { return load(config); }) {}
};

}  // namespace hn
