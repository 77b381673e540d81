#include "inspect/dry_run.hpp"

#include <hn/weights_audit.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "inspect/ask.hpp"
#include "validate/services.hpp"

namespace hn::inspect {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool takes_weights(const host::Manifest& plugin) {
  return std::any_of(plugin.models.begin(), plugin.models.end(), [](const auto& model) {
    return model.weights_required || !model.weights.empty();
  });
}

bool has_problems(const ordered_json& component) {
  return std::any_of(component.begin(), component.end(),
                     [](const ordered_json& value) { return value.is_array() && !value.empty(); });
}

void HN_CALL take_component(void* ctx, hn_str json) {
  // Nothing of this process may unwind through the plugin's frames; what does not parse is left
  // out.
  (void)guard(nullptr,
              [&] { static_cast<ordered_json*>(ctx)->push_back(ordered_json::parse(view(json))); });
}

// The plugin's own loading as hn.weights_audit/1 goes through it, without a number.
void audit(host::Host& host, const host::Choice& choice, const fs::path& weights,
           ordered_json& components) {
  const Asked asked(host, choice, weights);
  const hn_plugin_v1& entry = asked.entry();
  const auto* table =
      HN_HAS(&entry, hn_plugin_v1, get_plugin_interface) && entry.get_plugin_interface != nullptr
          ? static_cast<const hn_weights_audit_v1*>(
                entry.get_plugin_interface(validate::services(), HN_WEIGHTS_AUDIT_V1))
          : nullptr;
  if (table == nullptr) return;
  asked.call("audit", [&](hn_error* error) {
    return table->audit(validate::services(), validate::as_config(asked.options), &components,
                        &take_component, error);
  });
}

ordered_json dry_run(host::Host& host, const host::Choice& choice, const fs::path& weights) {
  ordered_json row;
  row["plugin"] = choice.plugin->name;
  row["model"] = choice.model == nullptr ? "" : choice.model->name;
  row["kind"] = host::kind_name(choice.plugin->kind);
  ordered_json components = ordered_json::array();
  std::string message;
  try {
    audit(host, choice, weights, components);
  } catch (const Error& error) {
    message = error.what();
  }
  row["components"] = std::move(components);
  const bool gaps = std::any_of(row["components"].begin(), row["components"].end(), has_problems);
  // A plugin that reported nothing has not been asked: it does not take part in dry runs.
  const bool asked = !row["components"].empty();
  row["status"] = gaps ? "does not fit" : !message.empty() || !asked ? "refused" : "fits";
  if (message.empty() && !asked) message = "this plugin cannot check weights without loading them";
  row["message"] = message;
  return row;
}

// Fits first, then what was understood furthest.
int rank(const ordered_json& row) {
  if (row.at("status") == "fits") return 0;
  return row.at("status") == "does not fit" ? 1 : 2;
}

}  // namespace

ordered_json dry_runs(host::Host& host, const fs::path& weights, const std::string& name) {
  auto rows = ordered_json::array();
  if (!name.empty()) {
    rows.push_back(dry_run(host, host.registry().find(name), weights));
    return rows;
  }
  for (const host::BundleRow& bundle : host.registry().rows()) {
    if (bundle.status != "ok" || !takes_weights(*bundle.manifest)) continue;
    const host::Manifest& plugin = *bundle.manifest;
    // Models differ in their options: the first whose weights are the user's stands for them.
    const auto own = std::find_if(plugin.models.begin(), plugin.models.end(),
                                  [](const auto& model) { return model.weights_required; });
    const host::ModelSpec* model = own != plugin.models.end() ? &*own : plugin.default_model();
    rows.push_back(dry_run(host, {&plugin, model}, weights));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const ordered_json& a, const ordered_json& b) {
    return std::pair(rank(a), -static_cast<int>(a.at("components").size())) <
           std::pair(rank(b), -static_cast<int>(b.at("components").size()));
  });
  return rows;
}

}  // namespace hn::inspect
