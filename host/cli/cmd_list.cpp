// hnhost list: what is installed, from manifests alone.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

using nlohmann::json;

std::string joined(const json& list) {
  std::string out;
  for (const auto& each : list) out += (out.empty() ? "" : ", ") + each.get<std::string>();
  return out;
}

std::string range_cell(const json& range) {
  return "[" + number_cell(range.at(0)) + ", " + number_cell(range.at(1)) + "]";
}

void print_rewards(const json& rewards) {
  std::vector<std::vector<std::string>> rows = {
      {"reward", "aliases", "range", "better", "weight", "gradient", "what"}};
  for (const auto& row : rewards)
    rows.push_back({row.at("name"), joined(row.at("aliases")), range_cell(row.at("range")),
                    row.at("direction"), number_cell(row.at("default_weight")),
                    row.at("differentiable").get<bool>() ? "yes" : "no", row.at("summary")});
  std::cout << table_text(rows) << "\n";
}

void print_models(const json& models) {
  std::vector<std::vector<std::string>> rows = {{"model", "kind", "plugin", "weights", "what"}};
  for (const auto& row : models)
    rows.push_back({row.at("name"), row.at("kind"), row.at("plugin"),
                    row.at("weights_required").get<bool>() ? "yours" : "included",
                    row.at("summary")});
  std::cout << table_text(rows) << "\n";
}

void print_generators(const json& generators) {
  std::vector<std::vector<std::string>> rows = {{"generator", "aliases", "models", "what"}};
  for (const auto& row : generators)
    rows.push_back(
        {row.at("name"), joined(row.at("aliases")), joined(row.at("models")), row.at("summary")});
  std::cout << table_text(rows) << "\n";
}

void print_plugins(const json& plugins) {
  std::vector<std::vector<std::string>> rows = {{"bundle", "status", "version", "LibTorch"}};
  for (const auto& row : plugins) {
    rows.push_back({row.at("path"), row.at("status"), row.value("version", ""),
                    row.value("libtorch", "") == "none" ? "no"
                    : row.contains("libtorch")          ? "yes"
                                                        : ""});
  }
  std::cout << table_text(rows);
  for (const auto& row : plugins)
    if (row.at("status") != "ok")
      std::cout << row.at("status").get<std::string>() << ": " << row.at("path").get<std::string>()
                << ": " << row.at("reason").get<std::string>() << "\n";
}

int list(const std::string& kind, const Command& command) {
  const HostHandle host(command);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_list(host.get(), str(kind), out, error);
  });
  if (command.json) {
    print_json(text);
    return kOk;
  }
  const json all = json::parse(text);
  if (all.contains("rewards")) print_rewards(all["rewards"]);
  if (all.contains("models")) print_models(all["models"]);
  if (all.contains("generators") && kind == "generators") print_generators(all["generators"]);
  if (all.contains("plugins")) print_plugins(all["plugins"]);
  return kOk;
}

}  // namespace

void add_list(CLI::App& app, Command& command) {
  auto kind = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("list", "Rewards, models and plugin bundles that were found");
  verb->footer(
      "Examples:\n  hnhost list\n  hnhost list rewards --json\n\nBundles are looked for in "
      "--plugin-path, HN_PLUGIN_PATH, the user's folder\n(~/.local/share/hn/plugins) and the "
      "installation. No code of a plugin runs.");
  add_common(*verb, command);
  verb->add_option("kind", *kind, "plugins, rewards, generators or models; everything without");
  verb->callback(
      [kind, &command] { command.run = [kind, &command] { return list(*kind, command); }; });
}

}  // namespace hn::cli
