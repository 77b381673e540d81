// struct hnhost: what hnhost_open makes. The layers above the loader share it.
#pragma once

#include <hnhost/hnhost.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.hpp"
#include "core/session.hpp"
#include "registry/registry.hpp"
#include "worker/policy.hpp"

namespace hn::host {

struct HostOptions {
  std::vector<std::string> plugin_paths;                               // searched first
  std::function<void(std::int32_t level, std::string_view text)> log;  // empty: warnings to stderr
  std::filesystem::path core_file;  // empty: libhnhost_core.so beside libhnhost.so
  std::string core_libtorch;        // empty: the build id that this library was built with
  std::string isolation;            // a policy, see worker/policy.hpp; empty: HN_ISOLATION
};

// Everything is [any-thread].
class Host {
 public:
  explicit Host(HostOptions options);

  const Registry& registry() const { return registry_; }
  void log(std::int32_t level, std::string_view text) const;

  // The core, opened on first use. It comes before any plugin with LibTorch, which then finds the
  // same copy by name.
  const hnhost_core_v1& core();
  const std::filesystem::path& core_file() const { return options_.core_file; }
  const std::vector<std::string>& plugin_paths() const { return options_.plugin_paths; }
  // The build id that plugins with LibTorch must have been linked with.
  std::string_view core_libtorch() const { return options_.core_libtorch; }
  // Opens a plugin's library (and the core first, when the plugin uses LibTorch), or where it
  // belongs into a worker process (worker/policy.hpp) gives a stand-in that starts one on create.
  core::Plugin open_plugin(const Manifest& manifest, const core::PluginPlace& place = {});

  // Parses and resolves.
  RunConfig configure(std::string_view toml, ConfigUse use = ConfigUse::kRun) const;
  // Opens plugins and core for a resolved configuration. services.log is filled in when empty.
  // train_prompts: those to train on; sessions that only sample need none.
  // stream: the caller's queue of the session's device; all zero: the device's default.
  std::unique_ptr<core::Session> open_session(const RunConfig& config, core::Services services,
                                              std::vector<core::Prompt> train_prompts = {},
                                              hn_stream stream = {0, 0, 0});
  // The configuration's rewards alone, without its generator: the session only scores. It was
  // resolved for either use. most_prompt_bytes: of encoded prompts that are kept.
  std::unique_ptr<core::Session> open_rewards(const RunConfig& config, core::Services services,
                                              hn_stream stream = {0, 0, 0},
                                              std::uint64_t most_prompt_bytes = UINT64_MAX);

 private:
  void open_plugins(core::SessionSpec& spec);

  HostOptions options_;
  worker::Policy isolation_;
  Registry registry_;
  std::mutex core_mutex_;
  const hnhost_core_v1* core_ = nullptr;
  std::atomic<bool> folders_told_{false};  // that some of the search path are not there
};

// The services of a session that lives within one call of the C API, with that call's hooks. Hooks
// may be NULL; unknown flags and one that is too short are refused.
core::Services make_services(const Host& host, const hnhost_hooks* hooks);

}  // namespace hn::host

struct hnhost {
  hn::host::Host host;
  std::atomic<int> users{1};  // the embedder and each open session
};

namespace hn::host {

// Keeps a host while a session needs it: a plugin may still log while it is destroyed, also when
// the embedder closed the host first.
class HostUse {
 public:
  explicit HostUse(hnhost* host) : host_(host) { ++host_->users; }
  ~HostUse() { drop(host_); }
  HostUse(const HostUse&) = delete;
  HostUse& operator=(const HostUse&) = delete;
  hnhost& operator*() const { return *host_; }
  static void drop(hnhost* host) {
    if (host != nullptr && --host->users == 0) delete host;
  }

 private:
  hnhost* host_;
};

}  // namespace hn::host
