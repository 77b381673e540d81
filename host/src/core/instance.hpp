// One created plugin and its interfaces, from the host's side.
#pragma once

#include <hn/adapter.h>
#include <hn/cond.h>
#include <hn/fn.h>
#include <hn/memory.h>

#include <functional>
#include <string>

#include "core/host_services.hpp"
#include "core/surroundings.hpp"
#include "core/torch_modes.hpp"

namespace hn::core {

// What all instances of a session share. Outlives them.
struct Runtime {
  const HostServices& services;
  hn_stream stream{kDLCPU, 0, 0};
  // Gives back what can be given back, after HN_OUT_OF_MEMORY: caches of every plugin, prompts that
  // nobody uses.
  std::function<void()> reclaim;
  // Whether every call asks for HN_CALL_DETERMINISTIC.
  Determinism determinism = Determinism::kNo;
};

class Instance {
 public:
  // name: as the user knows it, in front of every message. Errors: HN_UNSUPPORTED (another ABI
  // major, a newer minor, no hn.fn/1), those of the plugin's create.
  Instance(Runtime& runtime, const Plugin& plugin, std::string name, const Options& options);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::string& name() const { return name_; }
  Runtime& runtime() const { return runtime_; }
  hn_instance* raw() const { return raw_; }
  const hn_fn_v1& fn() const { return *fn_; }
  const hn_cond_v1* cond() const { return cond_; }           // NULL: reads no prompts
  const hn_adapter_v1* adapter() const { return adapter_; }  // NULL: carries no adapters
  // HN_PROMPT_* of the fields that the plugin reads beside the text.
  std::uint32_t prompt_fields() const { return prompt_fields_; }

  // D of the pooled prompt embedding; 0: the plugin has none.
  std::uint64_t embedding_size() const;
  std::uint64_t used_bytes() const;
  void trim();

  // False after HN_DEVICE_LOST: only destroy may follow, so handles are left to it.
  bool alive() const { return !lost_; }
  // What a call is for. All are watched alike: told to PluginCalls, exceptions stopped, changed
  // modes and surroundings put back. A change is a warning, or where the call computes an error:
  // its result may be another one next time. kMake and kFirst look at the whole surroundings.
  enum class Kind { kMake, kAsk, kCompute, kFirst };

  // One call into the plugin: body gets an hn_error* and returns a status. After HN_OUT_OF_MEMORY
  // everything is trimmed and body runs once more; HN_DEVICE_LOST marks the instance as dead. The
  // status becomes an hn::Error that begins with "name: what: ".
  template <class Body>
  void call(Kind kind, const char* what, Body&& body) {
    refuse_if_lost(what);
    ErrorBuffer error;
    hn_status status = watched(kind, what, error, body);
    if (status == HN_OK) [[likely]]
      return;
    if (status == HN_OUT_OF_MEMORY) {
      before_retry(what, error);
      ErrorBuffer again;
      status = watched(kind, what, again, body);
      fail(status, what, again);
      return;
    }
    fail(status, what, error);
  }
  // The same without the second try, for a call that may have done half of its work.
  template <class Body>
  void call_once(Kind kind, const char* what, Body&& body) {
    refuse_if_lost(what);
    ErrorBuffer error;
    const hn_status status = watched(kind, what, error, body);
    if (status != HN_OK) [[unlikely]]
      fail(status, what, error);
  }
  // A call without a status, also after the device was lost: what goes wrong is logged.
  template <class Body>
  void call_quietly(const char* what, Body&& body) const {
    ErrorBuffer error;
    const hn_status status = watched(Kind::kAsk, what, error, [&](hn_error*) {
      body();
      return HN_OK;
    });
    if (status != HN_OK) [[unlikely]]
      warn(std::string(what) + ": " + error.text());
  }

 private:
  template <class Body>
  hn_status watched(Kind kind, const char* what, ErrorBuffer& error, Body&& body) const {
    const PluginCallScope told(runtime_.services.plugin_calls(),
                               {name_.c_str(), library_.c_str(), what, runtime_.services.step()});
    const bool whole = kind == Kind::kMake || kind == Kind::kFirst;
    const Surroundings before(whole ? Surroundings::Depth::kWhole : Surroundings::Depth::kQuick);
    const TorchModes modes;
    hn_status status = HN_OK;
    const hn_status thrown = guard(error.get(), [&] { status = body(error.get()); });
    if (thrown != HN_OK) [[unlikely]]
      status = escaped(thrown, error);
    const std::string changed = before.restore(), torch = modes.restore();
    if (!changed.empty() || !torch.empty()) [[unlikely]]
      status = left_changed(kind, what, changed.empty() ? torch : changed, status, error);
    return status;
  }
  hn_status escaped(hn_status thrown, ErrorBuffer& error) const;
  hn_status left_changed(Kind kind, const char* what, const std::string& changed, hn_status status,
                         ErrorBuffer& error) const;
  void warn(const std::string& text) const;
  const void* interface(const char* id) const;
  void check_entry(const hn_plugin_v1* entry) const;
  void read_interfaces();
  void refuse_if_lost(const char* what) const;
  void before_retry(const char* what, const ErrorBuffer& error) const;
  void fail(hn_status status, const char* what, const ErrorBuffer& error);

  Runtime& runtime_;
  std::string name_, library_;
  hn_plugin_v1 plugin_{};
  hn_instance* raw_ = nullptr;
  const hn_fn_v1* fn_ = nullptr;
  const hn_cond_v1* cond_ = nullptr;
  const hn_adapter_v1* adapter_ = nullptr;
  const hn_memory_v1* memory_ = nullptr;
  std::uint32_t prompt_fields_ = 0;
  bool lost_ = false;
};

}  // namespace hn::core
