#include "worker/proxy.hpp"

#include <hn/weights_audit.h>

#include <hn/cpp/plugin.hpp>
#include <list>
#include <mutex>

#include "core/host_plugin.hpp"
#include "support/cat.hpp"
#include "worker/proxy_instance.hpp"

namespace hn::worker {
namespace {

hn_status HN_CALL audit(const hn_host_v1* host, const hn_config* config, void* ctx,
                        void(HN_CALL* component)(void* ctx, hn_str json), hn_error* error) {
  return guard(error, [&] {
    const Config options(host, config);
    Connection connection(worker_spec(options), {});
    connection.services().log = [&](std::int32_t level, const std::string& text) {
      host->log(host->ctx, level, str(text));
    };
    connection.services().option = [&](OptionType type, const std::string& key) {
      return read_option(options, type, key);
    };
    connection.services().component = [&](const std::string& json) { component(ctx, str(json)); };
    connection.start();
    connection.ask(Audit{}, "audit");
    connection.stop();
  });
}

// Which plugin it is for is not known before audit brings the options: one that has no such table
// says so then.
const void* HN_CALL get_plugin_interface(const hn_host_v1*, const char* id) {
  static constexpr hn_weights_audit_v1 kAudit = {&audit};
  return id != nullptr && std::string_view(id) == HN_WEIGHTS_AUDIT_V1 ? &kAudit : nullptr;
}

struct Entry {
  std::string id, version;
  hn_plugin_v1 raw{};
};

}  // namespace

const hn_plugin_v1* proxy_entry(const std::string& id, const std::string& version) {
  static std::mutex mutex;
  static std::list<Entry> entries;  // a list: what it holds does not move
  const std::lock_guard lock(mutex);
  for (const Entry& each : entries)
    if (each.id == id && each.version == version) return &each.raw;
  Entry& made = entries.emplace_back(Entry{id, version, {}});
  made.raw =
      core::host_plugin<ProxyInstance>(str(made.id), str(made.version), &get_plugin_interface);
  return &made.raw;
}

core::Options proxy_options(const core::PluginPlace& place, bool sandbox) {
  core::Options options;
  options["worker.sandbox"] = sandbox;
  options["worker.timeout"] = place.timeout_seconds;
  options["worker.memory"] = static_cast<std::int64_t>(place.memory_bytes);
  options["worker.cpu_seconds"] = place.cpu_seconds;
  options["worker.threads"] = place.threads;
  return options;
}

core::Plugin proxy_plugin(const host::Manifest& manifest, const core::PluginPlace& place,
                          bool sandbox) {
  core::Plugin plugin;
  plugin.entry = proxy_entry(manifest.id, manifest.version);
  plugin.id = manifest.id;
  plugin.bundle = manifest.bundle;
  plugin.library = manifest.library;
  plugin.place = place;
  plugin.options = proxy_options(place, sandbox);
  return plugin;
}

}  // namespace hn::worker
