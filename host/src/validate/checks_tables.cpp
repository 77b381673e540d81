// The optional tables: what an instance holds, its layers and the matrices that an opened function
// carries for them, the audit of weights.
#include <hn/hn.h>

#include <algorithm>
#include <hn/cpp/client.hpp>
#include <hn/cpp/tensor.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "validate/check.hpp"
#include "validate/services.hpp"
#include "validate/struct_sizes.hpp"

namespace hn::validate {
namespace {

// ---- hn.memory/1

void memory(Context& c) {
  Instance& instance = c.instance();
  const std::uint64_t before = hn::used_bytes(*instance.memory(), instance.get());
  Fn fn(instance, c.first_function(), c.subject().options);
  const bool grad = fn.differentiable();
  Case one(fn, {});
  one.forward(grad);
  const auto expected = one.outputs();
  const AllValues a = one.cotangents(1);
  const AllValues gradients = grad ? one.backward(a) : AllValues();
  instance.memory()->trim(instance.get(), kCpuStream);
  if (grad) {  // what forward kept is not to be trimmed
    const AllValues again = one.backward(a);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i])
        expect_close(*again[i], *gradients[i], kSameMaths,
                     "gradient of " + fn.inputs()[i].name + ", from a saved after trim");
  }
  one.forward(grad);
  const auto got = one.outputs();
  for (std::size_t k = 0; k < got.size(); ++k)
    expect_close(got[k], expected[k], 0, "the same call after trim");
  const std::uint64_t after = hn::used_bytes(*instance.memory(), instance.get());
  expect(before < (1ull << 50) && after < (1ull << 50),
         "used_bytes: implausible, " + std::to_string(after));
}

void memory_devices(Context& c) {
  Instance& instance = c.instance();
  const hn_memory_v1& table = *instance.memory();
  std::set<std::pair<std::int32_t, std::int32_t>> devices;
  for (std::uint64_t index = 0;; ++index) {
    expect(index < 64, "use: no end after 64 devices");
    hn_memory_use use{};
    use.struct_size = sizeof use;
    ErrorBuffer error;
    const hn_status status = table.use(instance.get(), index, &use, error.get());
    const std::string what = "use " + std::to_string(index);
    if (status != HN_OK) {
      expect_refused(status, error, what + ", past the last device", {HN_NOT_FOUND});
      break;
    }
    expect(use.reserved == 0, what + ": reserved must stay zero");
    expect(use.device_type > 0, what + ": device_type is " + std::to_string(use.device_type));
    expect(devices.emplace(use.device_type, use.device_id).second,
           what + ": a device that was told before");
    short_and_long<hn_memory_use>("hn_memory_use", [&](hn_memory_use* out) {
      return table.use(instance.get(), index, out, nullptr) == HN_OK;
    });
  }
}

// ---- hn.adapter/1

using Layers = std::map<std::string, hn_layer>;

// Of one function; nothing where it carries no adapters.
std::optional<Layers> layers_of(Instance& instance, const std::string& function) {
  const hn_adapter_v1& table = *instance.adapter();
  std::uint64_t count = 0;
  ErrorBuffer error;
  const hn_status status = table.layer_count(instance.get(), str(function), &count, error.get());
  if (status == HN_NOT_FOUND) return std::nullopt;
  expect_ok(status, error, "layer_count " + function);
  Layers layers;
  for (std::uint64_t i = 0; i < count; ++i) {
    hn_layer layer{};
    layer.struct_size = sizeof layer;
    ErrorBuffer layer_error;
    expect_ok(table.layer(instance.get(), str(function), i, &layer, layer_error.get()), layer_error,
              "layer");
    const std::string name(view(layer.name));
    expect(!name.empty() && layers.emplace(name, layer).second,
           "layer " + std::to_string(i) + ": name '" + name + "' is empty or not unique");
    expect(layer.in_features > 0 && layer.out_features > 0 && layer.groups > 0 &&
               layer.kernel_h > 0 && layer.kernel_w > 0,
           "layer " + name + ": sizes must be above 0");
    expect(layer.kind == HN_LAYER_LINEAR || layer.kind == HN_LAYER_CONV2D,
           "layer " + name + ": unknown kind");
    expect(layer.reserved == 0, "layer " + name + ": reserved must stay zero");
  }
  hn_layer beyond{};
  beyond.struct_size = sizeof beyond;
  ErrorBuffer beyond_error;
  expect_refused(table.layer(instance.get(), str(function), count, &beyond, beyond_error.get()),
                 beyond_error, "layer " + std::to_string(count) + " of " + std::to_string(count));
  if (count > 0)
    short_and_long<hn_layer>("hn_layer", [&](hn_layer* out) {
      return table.layer(instance.get(), str(function), 0, out, nullptr) == HN_OK;
    });
  return layers;
}

void adapter_layers(Context& c) {
  Instance& instance = c.instance();
  std::size_t total = 0;
  for (const std::string& function : functions_of(c.subject()))
    if (const auto layers = layers_of(instance, function)) total += layers->size();
  expect(total > 0, "hn.adapter/1 is offered, but no function has a layer");
  std::uint64_t count = 0;
  ErrorBuffer error;
  expect_refused(
      instance.adapter()->layer_count(instance.get(), str("nothing"), &count, error.get()), error,
      "layer_count of \"nothing\"", {HN_NOT_FOUND});
}

struct Matrices {
  const Slot* a = nullptr;
  const Slot* b = nullptr;
};

void check_shapes(const hn_layer& layer, const Matrices& pair) {
  const std::string name(view(layer.name));
  expect(pair.a != nullptr && pair.b != nullptr,
         "layer " + name + ": expected lora_A and lora_B, got one of them");
  const auto check = [](const Slot& slot, const std::vector<std::vector<std::int64_t>>& shapes) {
    expect(std::find(shapes.begin(), shapes.end(), slot.shape) != shapes.end(),
           "input " + slot.name + ": expected " + shape_text(shapes[0]) + ", got " +
               shape_text(slot.shape));
  };
  const std::int64_t rank = pair.a->shape.empty() ? 0 : pair.a->shape[0];
  if (layer.kind == HN_LAYER_LINEAR) {
    check(*pair.a, {{rank, layer.in_features}});
    check(*pair.b, {{layer.out_features, rank}});
    return;
  }
  check(*pair.a, {{rank, layer.in_features, layer.kernel_h, layer.kernel_w}});
  // The second form is that of lora.dense_groups.
  check(*pair.b,
        {{layer.out_features, rank / layer.groups, 1, 1}, {layer.out_features, rank, 1, 1}});
}

void adapter_slots(Context& c) {
  Fn& fn = c.fn();
  std::map<std::string, Matrices> carried;
  for (const Slot& slot : fn.inputs()) {
    if (!slot.is(HN_SLOT_PARAM)) continue;
    const bool a = slot.semantic == "lora_a";
    const std::string end = a ? ".lora_A.weight" : ".lora_B.weight";
    expect(slot.name.ends_with(end) && slot.name.size() > end.size(),
           "input " + slot.name + ": expected <layer>" + end);
    Matrices& pair = carried[slot.name.substr(0, slot.name.size() - end.size())];
    (a ? pair.a : pair.b) = &slot;
  }
  if (carried.empty()) throw Skip("it carries no adapters");
  expect(c.instance().adapter() != nullptr, "parameters, and the plugin has no hn.adapter/1");
  const auto layers = layers_of(c.instance(), c.function());
  expect(layers.has_value(), "parameters, and hn.adapter/1 does not know the function");
  for (const auto& [name, pair] : carried) {
    const auto layer = layers->find(name);
    expect(layer != layers->end(), "parameters of " + name + ", which hn.adapter/1 does not list");
    check_shapes(layer->second, pair);
  }
}

// ---- without an instance

const void* plugin_interface(Context& c, const char* id) {
  const hn_plugin_v1* entry = c.entry();
  if (!HN_HAS(entry, hn_plugin_v1, get_plugin_interface)) return nullptr;
  return entry->get_plugin_interface == nullptr ? nullptr
                                                : entry->get_plugin_interface(services(), id);
}

void plugin_tables(Context& c) {
  for (const char* id : {"hn.nothing/9", "hn.weights_audit/2", "hn.weights_audit", ""})
    expect(plugin_interface(c, id) == nullptr,
           std::string("get_plugin_interface(\"") + id +
               "\"): expected NULL for an id that version 1 does not have");
  if (const auto* audit =
          static_cast<const hn_weights_audit_v1*>(plugin_interface(c, HN_WEIGHTS_AUDIT_V1)))
    expect(audit->audit != nullptr, "hn.weights_audit/1: audit must be there");
}

struct Heard {
  std::vector<std::string> components;
  static void HN_CALL component(void* ctx, hn_str json) {
    static_cast<Heard*>(ctx)->components.emplace_back(view(json));
  }
};

void audit(Context& c) {
  const auto* table =
      static_cast<const hn_weights_audit_v1*>(plugin_interface(c, HN_WEIGHTS_AUDIT_V1));
  if (table == nullptr) throw Skip("the plugin has no hn.weights_audit/1");
  Heard heard;
  ErrorBuffer error;
  expect_ok(table->audit(services(), as_config(c.subject().options), &heard, &Heard::component,
                         error.get()),
            error, "audit with the options that create takes");
  expect(!heard.components.empty(), "audit told no component");
  for (const std::string& text : heard.components) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    expect(json.is_object(), "audit: expected a JSON object, got " + text.substr(0, 80));
    for (const char* key : {"model", "path"})
      expect(json.contains(key) && json.at(key).is_string(),
             std::string("audit: expected a text under ") + key);
    for (const char* key : {"tensors", "parameters"})
      expect(json.contains(key) && json.at(key).is_number_integer(),
             std::string("audit: expected a number under ") + key);
    for (const char* key : {"missing", "wrong_shape", "unexpected"})
      expect(json.contains(key) && json.at(key).is_array(),
             std::string("audit: expected a list under ") + key);
    // The weights of these options were just created from.
    expect(json.at("missing").empty() && json.at("wrong_shape").empty(),
           "audit: weights that create takes do not fit: " + text.substr(0, 200));
  }
  Heard nothing;
  core::Options elsewhere = c.subject().options;
  elsewhere["weights"] = std::string("/nonexistent/weights");
  ErrorBuffer missing;
  expect_refused(
      table->audit(services(), as_config(elsewhere), &nothing, &Heard::component, missing.get()),
      missing, "audit of weights that are not there");
}

constexpr Check kChecks[] = {
    {"entry.plugin_interfaces", "Tables without an instance: an unknown id gives NULL.",
     Scope::kPlugin, nullptr, &plugin_tables, "entry.loads"},
    {"audit.components",
     "hn.weights_audit/1 tells each component of the weights as one JSON object, and that they "
     "fit.",
     Scope::kPlugin, nullptr, &audit, "create.works"},
    {"memory.trim",
     "hn.memory/1 reports bytes; what forward kept, and a call, give the same after trim.",
     Scope::kPlugin,
     [](Context& c) {
       return c.instance().memory() ? std::string() : std::string("the plugin has no hn.memory/1");
     },
     &memory, "forward.works"},
    {"memory.devices", "hn.memory/1 tells each device once, and HN_NOT_FOUND past the last.",
     Scope::kPlugin,
     [](Context& c) {
       return c.instance().memory() ? std::string() : std::string("the plugin has no hn.memory/1");
     },
     &memory_devices, "create.works"},
    {"adapter.layers",
     "hn.adapter/1 lists every layer once, with sizes, and refuses an index past the end.",
     Scope::kPlugin,
     [](Context& c) {
       return c.instance().adapter() ? std::string()
                                     : std::string("the plugin has no hn.adapter/1");
     },
     &adapter_layers, "create.works"},
    {"adapter.slots",
     "Parameters come in pairs, named and shaped as hn.adapter/1 tells the layers.",
     Scope::kFunction, nullptr, &adapter_slots, "open.works"},
};

}  // namespace

std::span<const Check> table_checks() { return kChecks; }

}  // namespace hn::validate
