// The rewards as a catalogue: a row for each set of weights that can be asked for by name.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "registry/registry.hpp"

namespace hn::host {
namespace {

using Json = nlohmann::json;

Json weights_row(const Json& inspected, const ModelSpec* model) {
  if (model == nullptr) return {{"kind", "none"}, {"licence", ""}, {"files", Json::array()}};
  Json row = {{"kind", model->weights_required ? "required" : "embedded"},
              {"licence", model->licence},
              {"files", Json::array()}};
  for (const Json& file : inspected.at("weights"))
    if (const auto& of = file.at("model").get_ref<const std::string&>();
        of == model->name || of.empty())
      row["files"].push_back({{"name", file.at("name")},
                              {"file", file.at("file")},
                              {"repo", file.at("repo")},
                              {"bytes", file.at("bytes")},
                              {"state", file.at("state")}});
  return row;
}

}  // namespace

Json Registry::catalogue() const {
  Json rows = Json::array();
  const auto add = [&](const Manifest& m, const ModelSpec* model) {
    const bool by_plugin = model == nullptr || model->is_default;
    const std::string name = by_plugin ? m.name : model->name;
    const Json inspected = inspect(model == nullptr ? m.name : model->name);
    Json row;
    for (const char* key : {"id", "version", "licence", "source", "differentiable", "devices",
                            "dtypes", "range", "direction", "default_weight", "loss",
                            "preprocessing", "text_limit", "pitfalls", "options", "path"})
      row[key] = inspected.at(key);
    row["name"] = name;
    row["plugin"] = m.name;
    row["model"] = model == nullptr ? Json() : Json(model->name);
    row["summary"] = model == nullptr || model->summary.empty() ? m.summary : model->summary;
    row["plugin_summary"] = m.summary;
    std::vector<std::string> aliases = by_plugin ? m.aliases : std::vector<std::string>();
    if (model != nullptr) {
      if (by_plugin && model->name != name) aliases.push_back(model->name);
      aliases.insert(aliases.end(), model->aliases.begin(), model->aliases.end());
    }
    row["aliases"] = aliases;
    row["weights"] = weights_row(inspected, model);
    rows.push_back(std::move(row));
  };
  for (const BundleRow& bundle : rows_) {
    if (bundle.status != "ok" || bundle.manifest->kind != PluginKind::kReward) continue;
    const Manifest& m = *bundle.manifest;
    if (m.models.empty()) add(m, nullptr);
    for (const ModelSpec& model : m.models) add(m, &model);
  }
  std::sort(rows.begin(), rows.end(), [](const Json& a, const Json& b) {
    return std::make_pair(a.at("plugin").get<std::string>(), a.at("name").get<std::string>()) <
           std::make_pair(b.at("plugin").get<std::string>(), b.at("name").get<std::string>());
  });
  return rows;
}

}  // namespace hn::host
