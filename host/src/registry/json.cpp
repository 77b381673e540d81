// The registry as JSON; docs/embedding.md lists the fields.
#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "registry/registry.hpp"
#include "support/cat.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

using Json = nlohmann::json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json option_json(const core::OptionValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json options_json(const core::Options& options) {
  Json all = Json::object();
  for (const auto& [key, value] : options) all[key] = option_json(value);
  return all;
}

Json spec_json(const OptionSpec& option) {
  Json json = {{"key", option.key}, {"type", option.type}, {"help", option.help}};
  json["default"] = option.fallback ? option_json(*option.fallback) : Json();
  if (!option.choices.empty()) json["choices"] = option.choices;
  if (option.min) json["min"] = *option.min;
  if (option.max) json["max"] = *option.max;
  return json;
}

Json row_json(const BundleRow& row) {
  Json json = {{"path", row.path.string()}, {"status", row.status}, {"reason", row.reason}};
  if (!row.manifest) return json;
  const Manifest& m = *row.manifest;
  json.update({{"id", m.id},
               {"version", m.version},
               {"kind", kind_name(m.kind)},
               {"name", m.name},
               {"aliases", m.aliases},
               {"summary", m.summary},
               {"licence", m.licence},
               {"libtorch", m.libtorch}});
  return json;
}

Json facts_json(const RewardFacts& facts) {
  return {{"range", {or_null(facts.min), or_null(facts.max)}},
          {"direction", facts.higher_is_better ? "higher" : "lower"},
          {"default_weight", facts.default_weight},
          {"loss",
           {{"target", facts.loss_target}, {"scale", facts.loss_scale}, {"form", facts.loss_form}}},
          {"preprocessing", facts.preprocessing},
          {"text_limit", facts.text_limit},
          {"pitfalls", facts.pitfalls}};
}

Json known_values_json(const Manifest& m) {
  Json all = Json::array();
  for (const KnownValue& known : m.known_values)
    all.push_back({{"model", known.model},
                   {"prompt", known.prompt},
                   {"file", known.file},
                   {"sha256", known.sha256},
                   {"score", known.score},
                   {"tolerance", known.tolerance},
                   {"version", known.version},
                   {"options", options_json(known.options)}});
  return all;
}

Json detectors_json(const Manifest& m) {
  Json all = Json::array();
  for (const Detector& detector : m.detectors)
    all.push_back({{"model", detector.model},
                   {"score", detector.score},
                   {"tolerance", detector.tolerance},
                   {"means", detector.means}});
  return all;
}

Json source_json(const Manifest& m) {
  return {{"paper", m.paper}, {"repository", m.repository}, {"commit", m.commit}};
}

Json model_json(const Manifest& m, const ModelSpec& model) {
  Json json = {{"name", model.name},
               {"aliases", model.aliases},
               {"kind", kind_name(m.kind)},
               {"plugin", m.name},
               {"plugin_id", m.id},
               {"summary", model.summary},
               {"licence", model.licence},
               {"weights", model.weights_required ? Json() : Json(model.weights.string())},
               {"weights_required", model.weights_required},
               {"default", model.is_default},
               {"options", options_json(model.options)},
               {"defined_in", model.defined_in.string()}};
  Json prompts = Json::object();
  for (const auto& [name, file] : model.prompts) prompts[name] = file.string();
  json["prompts"] = prompts;
  if (model.reg_weight) json["reg_weight"] = *model.reg_weight;
  if (model.reward) json["reward"] = facts_json(*model.reward);
  return json;
}

Json plugin_json(const Manifest& m) {
  Json json = {
      {"name", m.name},           {"aliases", m.aliases},     {"id", m.id},
      {"version", m.version},     {"summary", m.summary},     {"licence", m.licence},
      {"source", source_json(m)}, {"functions", m.functions}, {"differentiable", m.differentiable},
      {"devices", m.devices},     {"dtypes", m.dtypes}};
  Json models = Json::array();
  for (const ModelSpec& model : m.models) models.push_back(model.name);
  json["models"] = models;
  const ModelSpec* model = m.default_model();
  json["default_model"] = model != nullptr ? Json(model->name) : Json();
  if (m.reward)
    json.update(facts_json(model != nullptr && model->reward ? *model->reward : *m.reward));
  return json;
}

// Looks at the file's size, not at its contents: inspect stays fast with weights of gigabytes.
Json weight_json(const Manifest& m, const WeightFile& weight) {
  Json json = {{"name", weight.name},
               {"model", weight.model},
               {"file", weight.file},
               {"repo", weight.repo},
               {"revision", weight.revision},
               {"sha256", weight.sha256},
               {"bytes", or_null(weight.bytes)},
               {"licence", weight.licence}};
  const auto belongs = [&](const ModelSpec& model) { return model.name == weight.model; };
  const auto model = std::find_if(m.models.begin(), m.models.end(), belongs);
  if (model != m.models.end() && model->weights_required) {
    json["state"] = "the user's";
    return json;
  }
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(m.bundle / weight.file, failed);
  json["path"] = (m.bundle / weight.file).string();
  json["state"] = failed                                   ? "missing"
                  : weight.bytes && *weight.bytes != bytes ? "wrong size"
                                                           : "present";
  return json;
}

}  // namespace

Json Registry::list(std::string_view kind) const {
  const std::vector<std::string> kinds = {"plugins", "rewards", "generators", "models"};
  if (!kind.empty() && std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
    throw Error(HN_INVALID_ARGUMENT,
                cat("[list] unknown kind '", kind, "'", suggestion(kind, kinds)));
  Json all = Json::object();
  for (const std::string& each : kinds)
    if (kind.empty() || kind == each) all[each] = Json::array();
  for (const BundleRow& row : rows_) {
    if (all.contains("plugins")) all["plugins"].push_back(row_json(row));
    if (row.status != "ok") continue;
    const Manifest& m = *row.manifest;
    const char* own = m.kind == PluginKind::kReward ? "rewards" : "generators";
    if (all.contains(own)) all[own].push_back(plugin_json(m));
    if (all.contains("models"))
      for (const ModelSpec& model : m.models) all["models"].push_back(model_json(m, model));
  }
  if (kind.empty() || kind == "plugins") {
    all["search_path"] = Json::array();
    for (const SearchFolder& folder : folders_) all["search_path"].push_back(folder.path.string());
  }
  return all;
}

Json Registry::inspect(std::string_view name) const {
  const Choice choice = find(name);
  const Manifest& m = *choice.plugin;
  Json json = plugin_json(m);
  json["kind"] = kind_name(m.kind);
  json["path"] = m.bundle.string();
  json["library"] = {{"file", m.library.string()}, {"sha256", m.library_sha256}};
  json["abi"] = {{"major", m.abi_major}, {"min_minor", m.abi_min_minor}};
  json["requires"] = {{"libtorch", m.libtorch}, {"glibc", m.glibc}, {"cuda", m.cuda}};
  json["streams"] = m.streams;
  json["notes"] = m.notes;
  json["options"] = Json::array();
  for (const OptionSpec& option : m.options) json["options"].push_back(spec_json(option));
  json["standard_options"] = Json::array();
  for (const OptionSpec& option : standard_options())
    if (find_option(m, option.key) == &option)
      json["standard_options"].push_back(spec_json(option));
  json["weights"] = Json::array();
  for (const WeightFile& weight : m.weights) json["weights"].push_back(weight_json(m, weight));
  json["models"] = Json::array();
  for (const ModelSpec& model : m.models) {
    Json row = model_json(m, model);
    std::error_code ignored;
    row["weights_state"] = model.weights_required                            ? "the user's"
                           : std::filesystem::exists(model.weights, ignored) ? "present"
                                                                             : "missing";
    json["models"].push_back(row);
  }
  // The model that the name stands for, when it stands for one.
  json["model"] = choice.model != nullptr ? Json(choice.model->name) : Json();
  if (m.reward) {
    json.update(facts_json(choice.reward()));
    json["known_values"] = known_values_json(m);
    json["detectors"] = detectors_json(m);
  }
  return json;
}

}  // namespace hn::host
