// hnhost.h: weights pulled, and compared with their sums.
#include "pull/pull.hpp"

#include <nlohmann/json.hpp>

#include "capi/entry.hpp"
#include "pull/http_module.hpp"
#include "pull/snapshot.hpp"
#include "pull/verify.hpp"
#include "support/files.hpp"
#include "support/toml_table.hpp"

namespace {

struct Parsed {
  hn::pull::PullRequest request;
  std::string list;
};

Parsed parse(std::string_view text) {
  auto table = hn::host::TomlTable::parse(text, "pull request");
  Parsed parsed;
  hn::pull::PullRequest& r = parsed.request;
  r.model = table.find_str("model").value_or("");
  r.variant = table.find_str("variant").value_or("");
  r.revision = table.find_str("revision").value_or("");
  r.accept_licence = table.find_bool("accept_licence").value_or(false);
  r.dry_run = table.find_bool("dry_run").value_or(false);
  r.verify = table.find_bool("verify").value_or(false);
  if (const auto connections = table.find_i64("connections", 1, 64))
    r.transfer.connections = static_cast<int>(*connections);
  parsed.list = table.find_str("list").value_or("");
  table.finish();
  return parsed;
}

// What can be pulled, and what is there.
nlohmann::ordered_json listing(const hn::pull::WeightsList& list) {
  const hn::pull::HubPlaces places = hn::pull::hub_places();
  auto rows = nlohmann::ordered_json::array();
  for (const auto& model : list.models()) {
    const auto snapshot = hn::pull::find_snapshot(model, places);
    auto variants = nlohmann::ordered_json::array();
    for (const auto& [name, patterns] : model.variants)
      if (!name.empty()) variants.push_back(name);
    auto parts = nlohmann::ordered_json::array();
    for (const auto& part : model.parts)
      parts.push_back({{"option", part.option},
                       {"repo", part.repo},
                       {"revision", part.revision},
                       {"licence", part.licence},
                       {"permissive", part.permissive}});
    rows.push_back({{"name", model.name},
                    {"aliases", model.aliases},
                    {"summary", model.summary},
                    {"repo", model.repo},
                    {"revision", model.revision},
                    {"variants", variants},
                    {"parts", parts},
                    {"licence", model.licence},
                    {"licence_url", model.licence_url},
                    {"permissive", model.permissive},
                    {"weights", snapshot ? nlohmann::ordered_json(snapshot->weights.string())
                                         : nlohmann::ordered_json(nullptr)}});
  }
  return {{"cache", places.cache.string()}, {"models", rows}};
}

}  // namespace

extern "C" {

hn_status hnhost_verify_weights(hnhost* host, hn_str path, const hnhost_hooks* hooks,
                                hnhost_text** out, hn_error* error) {
  constexpr const char* kWhere = "hnhost_verify_weights";
  return hn::host::answering(kWhere, host, out, error, [&](hn::host::Host& open) {
    (void)hn::host::known_hooks(kWhere, hooks);
    const hn::core::Services services = hn::host::make_services(open, hooks);
    return hn::host::dumped(
        hn::pull::verify(hn::host::tidy(std::string(hn::host::text_of(path, kWhere, "path"))),
                         hn::pull::WeightsList::installed(),
                         [&](const std::string& file, std::uint64_t done, std::uint64_t total) {
                           if (services.cancelled())
                             throw hn::Error(HN_CANCELLED, "[verify] stopped");
                           services.progress(file, done, total);
                         }));
  });
}

hn_status hnhost_pull(hnhost* host, hn_str request, const hnhost_hooks* hooks, hnhost_text** out,
                      hn_error* error) {
  return hn::host::answering(
      "hnhost_pull", host, request, hooks, out, error,
      [&](hn::host::Host& open, std::string_view text) {
        const Parsed parsed = parse(text);
        const auto list = parsed.list.empty() ? hn::pull::WeightsList::installed()
                                              : hn::pull::WeightsList::read({parsed.list});
        if (parsed.request.model.empty()) return hn::host::dumped(listing(list));
        const hn::pull::HubPlaces places = hn::pull::hub_places();
        return hn::host::dumped(
            places.offline ? hn::pull::pull_offline(list, places, parsed.request)
                           : hn::pull::pull(list, places, parsed.request, hn::pull::http_module(),
                                            hn::host::make_services(open, hooks)));
      });
}

}  // extern "C"
