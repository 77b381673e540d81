// [[known_values]] and [[detectors]]: what `hnhost selftest` compares a reward with.
#include <algorithm>
#include <hn/cpp/error.hpp>

#include "loader/manifest_parts.hpp"
#include "support/cat.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

double need_f64(TomlTable& table, const std::string& key) {
  const auto value = table.find_f64(key);
  if (!value) table.fail("", cat("the key '", key, "' is missing"));
  return *value;
}

double read_tolerance(TomlTable& table) {
  const double tolerance = need_f64(table, "tolerance");
  if (!(tolerance > 0)) table.fail("tolerance", cat("expected above 0, got ", tolerance));
  return tolerance;
}

std::string read_model_name(TomlTable& table, const Manifest& plugin) {
  std::string name = table.find_str("model").value_or("");
  if (name.empty()) return name;
  std::vector<std::string> models;
  for (const ModelSpec& model : plugin.models) models.push_back(model.name);
  if (std::find(models.begin(), models.end(), name) == models.end())
    table.fail("model", cat("no [[models]] entry '", name, "'", suggestion(name, models)));
  return name;
}

KnownValue read_known_value(TomlTable& table, const Manifest& plugin) {
  KnownValue known;
  known.model = read_model_name(table, plugin);
  known.prompt = table.need_str("prompt");
  known.file = table.need_str("file");
  check_inside(table, "file", known.file);
  known.sha256 = table.find_str("sha256").value_or("");
  if (!known.sha256.empty()) check_sha256(table, "sha256", known.sha256);
  known.score = need_f64(table, "score");
  known.tolerance = read_tolerance(table);
  known.version = table.need_str("version");
  if (known.version.empty()) table.fail("version", "expected a package and its version, got ''");
  known.options = read_options(table, plugin);
  table.finish();
  return known;
}

Detector read_detector(TomlTable& table, const Manifest& plugin) {
  Detector detector;
  detector.model = read_model_name(table, plugin);
  detector.score = need_f64(table, "score");
  detector.tolerance = read_tolerance(table);
  detector.means = table.need_str("means");
  if (detector.means.empty()) table.fail("means", "expected what the score says, got ''");
  table.finish();
  return detector;
}

}  // namespace

void read_self_test(TomlTable& top, Manifest& plugin) {
  for (const char* key : {"known_values", "detectors"})
    if (plugin.kind != PluginKind::kReward && top.has(key))
      top.fail(key, "only a reward has this table");
  for (TomlTable& table : top.find_tables("known_values"))
    plugin.known_values.push_back(read_known_value(table, plugin));
  for (TomlTable& table : top.find_tables("detectors"))
    plugin.detectors.push_back(read_detector(table, plugin));
}

}  // namespace hn::host
