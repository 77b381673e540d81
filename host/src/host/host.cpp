#include "host/host.hpp"

#include <algorithm>
#include <cstdio>
#include <hn/cpp/error.hpp>
#include <utility>

#include "loader/library.hpp"
#include "loader/plugin_calls.hpp"
#include "support/cat.hpp"
#include "worker/proxy.hpp"

namespace hn::host {
namespace {

void log_to_stderr(std::int32_t level, std::string_view text) {
  if (level < HN_LOG_WARNING) return;
  const char* name = level == HN_LOG_WARNING ? "warning" : "error";
  std::fprintf(stderr, "hnhost: %s: %.*s\n", name, static_cast<int>(text.size()), text.data());
}

HostOptions completed(HostOptions options) {
  if (!options.log) options.log = &log_to_stderr;
  if (options.core_file.empty()) options.core_file = library_folder() / "libhnhost_core.so";
  if (options.core_libtorch.empty()) options.core_libtorch = HN_CORE_LIBTORCH_BUILD_ID;
  return options;
}

}  // namespace

Host::Host(HostOptions options)
    : options_(completed(std::move(options))),
      isolation_(worker::parse_policy(options_.isolation)),
      registry_(search_path(options_.plugin_paths), user_model_folder()) {}

void Host::log(std::int32_t level, std::string_view text) const { options_.log(level, text); }

const hnhost_core_v1& Host::core() {
  const std::lock_guard lock(core_mutex_);
  if (core_ == nullptr) core_ = &open_core(options_.core_file, options_.core_libtorch);
  return *core_;
}

core::Plugin Host::open_plugin(const Manifest& manifest, const core::PluginPlace& place) {
  // Now a name was chosen, perhaps from another place than the one that was meant.
  if (!folders_told_.exchange(true))
    for (const std::string& reason : registry_.missing_folders())
      log(HN_LOG_WARNING, cat("search path: ", reason));
  const worker::Placement placed = worker::place(isolation_, place.isolation, manifest,
                                                 options_.core_libtorch, install_plugin_folder());
  if (placed.where != core::Isolation::kNone) {
    const bool sandbox = placed.where == core::Isolation::kSandbox;
    log(HN_LOG_INFO, cat("plugin ", manifest.name, " runs in a ", sandbox ? "sandboxed " : "",
                         "worker process: ", placed.why));
    return worker::proxy_plugin(manifest, place, sandbox);
  }
  if (manifest.libtorch != "none" && manifest.libtorch == options_.core_libtorch) core();
  return host::open_plugin(manifest, options_.core_libtorch,
                           [this](const std::string& text) { log(HN_LOG_WARNING, text); });
}

RunConfig Host::configure(std::string_view toml, ConfigUse use) const {
  RunConfig config = parse_config(toml);
  resolve_config(config, registry_, use);
  return config;
}

void Host::open_plugins(core::SessionSpec& spec) {
  for (core::RewardSpec& reward : spec.rewards)
    reward.plugin = open_plugin(*registry_.reward(reward.registered).plugin, reward.plugin.place);
}

std::unique_ptr<core::Session> Host::open_session(const RunConfig& config, core::Services services,
                                                  std::vector<core::Prompt> train_prompts,
                                                  hn_stream stream) {
  core::SessionSpec spec = session_spec(config, registry_);
  spec.stream = stream;
  spec.train.prompts = std::move(train_prompts);
  const hnhost_core_v1& core = this->core();
  spec.generator.plugin =
      open_plugin(*registry_.generator(config.generator).plugin, spec.generator.plugin.place);
  open_plugins(spec);
  if (!services.log)
    services.log = [this](std::int32_t level, std::string_view text) { log(level, text); };
  services.plugin_calls = &plugin_calls();
  return core.open_session(std::move(spec), std::move(services));
}

std::unique_ptr<core::Session> Host::open_rewards(const RunConfig& config, core::Services services,
                                                  hn_stream stream,
                                                  std::uint64_t most_prompt_bytes) {
  core::SessionSpec spec = session_spec(config, registry_, ConfigUse::kRewards);
  spec.stream = stream;
  spec.net.kind = core::NetKind::kNone;
  spec.prompt_cache_bytes = std::min(spec.prompt_cache_bytes, most_prompt_bytes);
  open_plugins(spec);
  return core().open_session(std::move(spec), std::move(services));
}

}  // namespace hn::host
