#include "inspect/layers.hpp"

#include <hn/adapter.h>

#include <hn/cpp/error.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "inspect/ask.hpp"
#include "support/cat.hpp"
#include "validate/services.hpp"

namespace hn::inspect {
namespace {

using host::cat;
using nlohmann::ordered_json;

std::string kind_text(std::int32_t kind) {
  return kind == HN_LAYER_LINEAR   ? "linear"
         : kind == HN_LAYER_CONV2D ? "conv2d"
                                   : cat("kind ", kind);
}

ordered_json layer_json(const hn_layer& layer) {
  return {{"name", std::string(view(layer.name))},
          {"kind", kind_text(layer.kind)},
          {"in", layer.in_features},
          {"out", layer.out_features},
          {"kernel", {layer.kernel_h, layer.kernel_w}},
          {"groups", layer.groups}};
}

// The layers of one function; those that are there already only get its name.
void add_layers(const Asked& asked, const hn_adapter_v1& adapter, hn_instance* instance,
                const std::string& function, ordered_json& layers) {
  std::uint64_t count = 0;
  try {
    asked.call("layer_count", [&](hn_error* error) {
      return adapter.layer_count(instance, str(function), &count, error);
    });
  } catch (const Error& none) {
    if (none.code() == HN_NOT_FOUND) return;  // a function that carries no adapters
    throw;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    hn_layer layer{};
    layer.struct_size = sizeof layer;
    asked.call("layer", [&](hn_error* error) {
      return adapter.layer(instance, str(function), i, &layer, error);
    });
    ordered_json row = layer_json(layer);
    // Functions that share a network list the same layers in the same order.
    if (i < layers.size() && layers[i].at("name") == row.at("name")) {
      layers[i]["functions"].push_back(function);
      continue;
    }
    row["functions"] = {function};
    layers.push_back(std::move(row));
  }
}

}  // namespace

ordered_json adapter_layers(host::Host& host, const std::string& name,
                            const std::filesystem::path& weights) {
  const host::Choice choice = host.registry().find(name);
  const auto& own = weights.empty() && choice.model != nullptr ? choice.model->weights : weights;
  if (own.empty() && choice.model != nullptr && choice.model->weights_required)
    throw Error(HN_NOT_FOUND, cat("[inspect] ", name,
                                  " brings no weights: expected --weights PATH, since its "
                                  "layers are those of the folder"));
  const Asked asked(host, choice, own);
  std::unique_ptr<hn_instance, std::function<void(hn_instance*)>> instance(
      nullptr, [&](hn_instance* made) { asked.entry().destroy(made); });
  asked.call("create", [&](hn_error* error) {
    hn_instance* made = nullptr;
    const hn_status status = asked.entry().create(validate::services(),
                                                  validate::as_config(asked.options), &made, error);
    instance.reset(made);
    return status;
  });
  const auto* adapter =
      static_cast<const hn_adapter_v1*>(asked.entry().get_interface(instance.get(), HN_ADAPTER_V1));
  if (adapter == nullptr)
    throw Error(HN_UNSUPPORTED, cat("[inspect] ", choice.plugin->name,
                                    " has no layers that carry a LoRA: it does "
                                    "not offer ",
                                    HN_ADAPTER_V1));
  ordered_json layers = ordered_json::array();
  for (const std::string& function : choice.plugin->functions)
    add_layers(asked, *adapter, instance.get(), function, layers);
  return {{"plugin", choice.plugin->name},
          {"model", choice.model == nullptr ? "" : choice.model->name},
          {"weights", own.string()},
          {"layers", std::move(layers)}};
}

}  // namespace hn::inspect
