#include "inspect/dry_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "core/surroundings.hpp"
#include <hn/formats/json_file.hpp>
#include "loader/plugin_calls.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"
#include "validate/services.hpp"

namespace hn::inspect {
namespace {

namespace fs = std::filesystem;
using host::cat;
using nlohmann::ordered_json;

// A file of this process, gone with the object.
class ReportFile {
 public:
  ReportFile() {
    std::string name = (fs::temp_directory_path() / "hn-weights-XXXXXX").string();
    const int descriptor = ::mkstemp(name.data());
    if (descriptor < 0)
      throw Error(HN_INTERNAL,
                  cat("[inspect] no file can be made in ", fs::temp_directory_path().string()));
    ::close(descriptor);
    path_ = name;
  }
  ~ReportFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;

  const fs::path& path() const { return path_; }
  ordered_json lines() const {
    auto all = ordered_json::array();
    const std::string text = host::read_file(path_);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      all.push_back(ordered_json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    return all;
  }

 private:
  fs::path path_;
};

bool takes_weights(const host::Manifest& plugin) {
  return std::any_of(plugin.models.begin(), plugin.models.end(), [](const auto& model) {
    return model.weights_required || !model.weights.empty();
  });
}

bool has_problems(const ordered_json& component) {
  return std::any_of(component.begin(), component.end(),
                     [](const ordered_json& value) { return value.is_array() && !value.empty(); });
}

ordered_json dry_run(host::Host& host, const host::Choice& choice, const fs::path& weights) {
  ordered_json row;
  row["plugin"] = choice.plugin->name;
  row["model"] = choice.model == nullptr ? "" : choice.model->name;
  row["kind"] = host::kind_name(choice.plugin->kind);
  const ReportFile report;
  std::string message;
  try {
    const core::Plugin plugin = host.open_plugin(*choice.plugin);
    core::Options options = choice.model == nullptr ? core::Options{} : choice.model->options;
    options["weights"] = weights.string();
    options["device"] = std::string("meta");
    options["weights_report"] = report.path().string();
    hn_instance* instance = nullptr;
    ErrorBuffer error;
    hn_status status = HN_OK;
    const std::string& name = choice.plugin->name;
    const core::PluginCallScope told(&host::plugin_calls(),
                                     {name.c_str(), plugin.library.c_str(), "create"});
    const core::Surroundings before(core::Surroundings::Depth::kWhole);
    const hn_status thrown = guard(error.get(), [&] {
      status = plugin.entry->create(validate::services(), validate::as_config(options), &instance,
                                    error.get());
    });
    if (instance != nullptr) plugin.entry->destroy(instance);
    if (const std::string changed = before.restore(); !changed.empty())
      host.log(HN_LOG_WARNING,
               cat(name, ": create: the plugin changed ", changed, "; it was put back"));
    check(thrown, error, name + ": create: an exception left the plugin");
    check(status, error);
  } catch (const Error& error) {
    message = error.what();
  }
  row["components"] = report.lines();
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
