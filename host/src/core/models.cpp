#include "core/models.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/tensor.hpp>

#include "core/relative_reward.hpp"

namespace hn::core {
namespace {

Options with_device(Options options, const std::string& device) {
  options.try_emplace("device", device);
  return options;
}

Options with_adapter(Options options, const NetSpec& net) {
  options["lora.rank"] = net.rank;
  options["lora.alpha"] = net.alpha;
  if (!net.targets.empty()) options["lora.targets"] = net.targets;
  if (net.dense_groups) options["lora.dense_groups"] = true;
  return options;
}

// A slot's shape without its batch dimension, which must come first; the rest must be known sizes.
std::vector<std::int64_t> sample_shape(const FunctionClient& fn, const Slot& slot) {
  bool fits = slot.shape.size() == 4 && slot.shape[0] == HN_DIM_BATCH;
  for (std::size_t i = 1; i < slot.shape.size(); ++i) fits = fits && slot.shape[i] > 0;
  if (!fits)
    throw Error(HN_UNSUPPORTED, fn.instance().name() + ": " + fn.name() + ": expected '" +
                                    slot.name + "' of shape (B,sizes...) with fixed sizes, got " +
                                    shape_text(slot.shape) +
                                    "; give width and height in the generator's options");
  return {slot.shape.begin() + 1, slot.shape.end()};
}

// What the slot says, or where it leaves sizes open, what the plugin says for one noise.
std::vector<std::int64_t> image_shape_of(FunctionClient& generate,
                                         const GeneratorModel::GenerateSlots& at) {
  const Slot& image = generate.outputs()[at.image];
  if (std::find(image.shape.begin(), image.shape.end(), HN_DIM_ANY) == image.shape.end())
    return sample_shape(generate, image);
  std::vector<at::Tensor> in(generate.inputs().size());
  const auto shaped = [&](std::size_t i) {
    std::vector<std::int64_t> shape = generate.inputs()[i].shape;
    for (std::int64_t& d : shape)
      if (d == HN_DIM_BATCH) d = 1;
    in[i] = at::empty(shape, at::kFloat);
  };
  shaped(at.noise);
  if (at.step_noise >= 0) shaped(static_cast<std::size_t>(at.step_noise));
  const std::vector<std::int64_t> shape = generate.shapes(in)[at.image];
  return {shape.begin() + 1, shape.end()};
}

std::int64_t steps_of(const FunctionClient& generate, int step_noise, const Options& options) {
  if (step_noise >= 0) {
    const Slot& slot = generate.inputs()[static_cast<std::size_t>(step_noise)];
    if (!slot.shape.empty() && slot.shape[0] >= 0) return slot.shape[0] + 1;
  }
  const auto it = options.find("steps");
  if (it == options.end()) return 1;
  const auto* steps = std::get_if<std::int64_t>(&it->second);
  return steps != nullptr ? *steps : 1;
}

// A width or height that was asked for and is not what comes out would be passed over in silence.
void require_size(const std::string& name, const Options& options,
                  const std::vector<std::int64_t>& image) {
  for (const auto& [key, dimension] : {std::pair("height", 1), std::pair("width", 2)}) {
    const auto found = options.find(key);
    if (found == options.end()) continue;
    const auto* wanted = std::get_if<std::int64_t>(&found->second);
    const std::int64_t got = image[static_cast<std::size_t>(dimension)];
    if (wanted != nullptr && *wanted != got)
      throw Error(HN_UNSUPPORTED, name + ": option " + key + " = " + std::to_string(*wanted) +
                                      " was given, but its pictures are " +
                                      std::to_string(image[2]) + " x " + std::to_string(image[1]) +
                                      " (width x height)");
  }
}

}  // namespace

GeneratorModel::GenerateSlots GeneratorModel::slots(const FunctionClient& generate) {
  GenerateSlots slots;
  slots.noise = generate.input("noise");
  slots.image = generate.output("image_rgb01");
  slots.step_noise = generate.find_input("step_noise");
  slots.latents = generate.find_output("latents");
  return slots;
}

GeneratorModel::GeneratorModel(Runtime& runtime, const GeneratorSpec& spec,
                               const std::string& device)
    : name_(spec.name), options_(with_device(spec.options, device)) {
  instance_ = std::make_unique<Instance>(runtime, spec.plugin, spec.name, options_);
  generate_ = std::make_unique<FunctionClient>(*instance_, "generate", options_);
  generate_->require_only({"noise", "step_noise"});
  const GenerateSlots at = slots(*generate_);
  noise_shape_ = sample_shape(*generate_, generate_->inputs()[at.noise]);
  image_shape_ = image_shape_of(*generate_, at);
  require_size(name_, options_, image_shape_);
  steps_ = steps_of(*generate_, at.step_noise, options_);
  const std::uint64_t embedding = instance_->embedding_size();
  constexpr std::uint64_t kMost = 1u << 24;
  if (embedding > kMost)
    throw Error(HN_UNSUPPORTED, name_ + ": embedding_size: expected at most " +
                                    std::to_string(kMost) + ", got " + std::to_string(embedding));
  embedding_size_ = static_cast<std::int64_t>(embedding);
}

void GeneratorModel::adapt(const NetSpec& net) {
  if (!is_lora(net.kind)) return;
  const Options adapted = with_adapter(options_, net);
  if (net.kind == NetKind::kFinetune) {
    adapted_ = std::make_unique<FunctionClient>(*instance_, "generate", adapted);
    slots(*adapted_);
    return;
  }
  adapted_ = std::make_unique<FunctionClient>(*instance_, "noise_net", adapted);
  adapted_->require_only({"noise"});
  adapted_->input("noise");
  const Slot& offset = adapted_->outputs()[adapted_->output("offset")];
  if (sample_shape(*adapted_, offset) != noise_shape_)
    throw Error(HN_UNSUPPORTED, name_ + ": noise_net: expected 'offset' shaped as the noise " +
                                    shape_text(noise_shape_) + ", got " + shape_text(offset.shape));
}

std::vector<AdapterLayer> GeneratorModel::layers(NetKind kind) {
  std::vector<AdapterLayer> layers;
  if (!is_lora(kind) || instance_->adapter() == nullptr) return layers;
  const hn_adapter_v1& table = *instance_->adapter();
  const std::string name = kind == NetKind::kFinetune ? "generate" : "noise_net";
  std::uint64_t count = 0;
  instance_->call(Instance::Kind::kAsk, "layer_count", [&](hn_error* error) {
    return table.layer_count(instance_->raw(), str(name), &count, error);
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    hn_layer layer{};
    layer.struct_size = sizeof(layer);
    instance_->call(Instance::Kind::kAsk, "layer", [&](hn_error* error) {
      return table.layer(instance_->raw(), str(name), i, &layer, error);
    });
    if (layer.kind != HN_LAYER_LINEAR && layer.kind != HN_LAYER_CONV2D)
      throw Error(HN_UNSUPPORTED, name_ + ": layer '" + std::string(view(layer.name)) +
                                      "': expected a linear layer (0) or a conv2d (1), got kind " +
                                      std::to_string(layer.kind));
    layers.push_back({std::string(view(layer.name)), layer.kind == HN_LAYER_CONV2D,
                      layer.in_features, layer.out_features, layer.kernel_h, layer.groups});
  }
  return layers;
}

RewardModel::RewardModel(Runtime& runtime, const RewardSpec& spec, at::Device device)
    : spec_(spec), device_(device) {
  const Options options = with_device(spec.options, device.str());
  const Plugin plugin = spec.relative ? relative_plugin(spec.plugin, *spec.relative) : spec.plugin;
  instance_ = std::make_unique<Instance>(runtime, plugin, spec.name, options);
  score_ = std::make_unique<FunctionClient>(*instance_, "score", options);
  score_->require_only({"image_rgb01"});
  image_slot_ = score_->input("image_rgb01");
  score_slot_ = score_->output("score");
  differentiable_ = score_->inputs()[image_slot_].diff() && score_->outputs()[score_slot_].diff();
}

}  // namespace hn::core
