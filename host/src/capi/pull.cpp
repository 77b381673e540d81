// The C API over this folder.
#include <hnhost/hnhost.h>

#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "capi/arguments.hpp"
#include "host/host.hpp"
#include "capi/text.hpp"
#include "pull/http_module.hpp"
#include "pull/pull.hpp"
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

extern "C" hn_status hnhost_verify_weights(hnhost* host, hn_str path, const hnhost_hooks* hooks,
                                           hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    using hn::host::need;
    *need(out, "hnhost_verify_weights", "out") = nullptr;
    const hn::host::Host& open = need(host, "hnhost_verify_weights", "host")->host;
    const hn::core::Services services = hn::host::make_services(open, hooks);
    const nlohmann::ordered_json answer = hn::pull::verify(
        hn::host::tidy(std::string(hn::view(path))), hn::pull::WeightsList::installed(),
        [&](const std::string& file, std::uint64_t done, std::uint64_t total) {
          if (services.cancelled()) throw hn::Error(HN_CANCELLED, "[verify] stopped");
          services.progress(file, done, total);
        });
    using Json = nlohmann::ordered_json;
    hn::host::give_text(answer.dump(1, ' ', false, Json::error_handler_t::replace), out);
  });
}

extern "C" hn_status hnhost_pull(hnhost* host, hn_str request, const hnhost_hooks* hooks,
                                 hnhost_text** out, hn_error* error) {
  return hn::guard(error, [&] {
    using hn::host::need;
    *need(out, "hnhost_pull", "out") = nullptr;
    const hn::host::Host& open = need(host, "hnhost_pull", "host")->host;
    const Parsed parsed = parse(hn::view(request));
    const auto list = parsed.list.empty() ? hn::pull::WeightsList::installed()
                                          : hn::pull::WeightsList::read({parsed.list});
    nlohmann::ordered_json answer;
    if (parsed.request.model.empty()) {
      answer = listing(list);
    } else {
      const hn::pull::HubPlaces places = hn::pull::hub_places();
      answer = places.offline
                   ? hn::pull::pull_offline(list, places, parsed.request)
                   : hn::pull::pull(list, places, parsed.request, hn::pull::http_module(),
                                    hn::host::make_services(open, hooks));
    }
    using Json = nlohmann::ordered_json;
    hn::host::give_text(answer.dump(1, ' ', false, Json::error_handler_t::replace), out);
  });
}
