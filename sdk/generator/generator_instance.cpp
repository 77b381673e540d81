#include <ATen/ATen.h>

#include <hn/generator/generator_instance.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/nn/stream_order.hpp>
#include <hn/torch/entry.hpp>

namespace hn {

GeneratorInstance::GeneratorInstance(const Host& host, const Config& config,
                                     const std::function<std::unique_ptr<LatentModel>()>& load)
    : Instance(host) {
  translate_errors([&] {
    const Entry entry({kDLCPU, 0, 0}, /*grad=*/false);
    model_ = load();
  });
  for (const auto& line : model_->notes())
    host.log(HN_LOG_INFO, "[" + model_->name() + "] " + line);
  for (const auto& line : model_->assumed())
    host.log(HN_LOG_WARNING, "[" + model_->name() + "] " + line);
  const bool kept = text_encoder_option(config) == TextEncoderMode::kKeep;
  const auto option = prompt_store_option(config, !kept);
  if (option && !model_->text_key().empty()) {
    store_.emplace(option->folder, model_->name() + " " + model_->text_key(), option->limit,
                   [host](const std::string& line) { host.log(HN_LOG_WARNING, line); });
  }
  const LatentGeometry geometry = model_->geometry();
  FunctionOptions defaults;
  defaults.width = geometry.width;
  defaults.height = geometry.height;
  defaults_ = read_function_options(*model_, config, defaults);
  for (const auto& layer : model_->layers()) {
    const auto kernel = static_cast<std::int32_t>(layer.kernel);
    layers_.push_back({layer.name, layer.conv ? HN_LAYER_CONV2D : HN_LAYER_LINEAR, layer.in,
                       layer.out, kernel, kernel, static_cast<std::int32_t>(layer.groups)});
  }
}

std::unique_ptr<Function> GeneratorInstance::open(std::string_view name, const Config& config) {
  auto made = translate_errors([&] {
    return make_function(name, *model_, host(), read_function_options(*model_, config, defaults_));
  });
  if (!made) throw unknown_function(name);
  return made;
}

std::vector<std::unique_ptr<Cond>> GeneratorInstance::encode(std::span<const Prompt> prompts,
                                                             hn_stream stream) {
  return translate_errors([&] {
    const Entry entry(stream, /*grad=*/false);
    std::vector<std::unique_ptr<Cond>> handles;
    for (const Prompt& prompt : prompts) handles.push_back(encode_one(prompt.text()));
    return handles;
  });
}

std::unique_ptr<Cond> GeneratorInstance::encode_one(std::string_view prompt) {
  if (!store_) return model_->encode_prompt(prompt);
  if (auto found = store_->find(prompt)) {
    try {
      return model_->restore_prompt(prompt, *found);
    } catch (const Error& broken) {
      host().log(HN_LOG_WARNING,
                 std::string("[prompt_cache] the prompt is encoded anew: ") + broken.what());
    }
  }
  auto handle = model_->encode_prompt(prompt);
  store_->put(prompt, model_->prompt_tensors(*handle));
  return handle;
}

std::uint64_t GeneratorInstance::embedding_size() const {
  return static_cast<std::uint64_t>(model_->embedding_size());
}

void GeneratorInstance::embedding(const Cond& cond, hn_stream stream, const DLTensor& out) {
  translate_errors([&] {
    const Entry entry(stream, /*grad=*/false);
    tensor_view(out).copy_(used_here(model_->embedding(cond)));
  });
}

const std::vector<LayerSpec>& GeneratorInstance::layers(std::string_view function) {
  if (function != "noise_net" && function != "generate") throw unknown_function(function);
  return layers_;
}

void GeneratorInstance::trim(hn_stream stream) {
  translate_errors([&] {
    const Entry entry(stream, /*grad=*/false);
    model_->trim();
  });
}

}  // namespace hn
