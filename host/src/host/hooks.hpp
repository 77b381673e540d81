// The caller's hooks as the core's services.
#pragma once

#include <hnhost/hnhost.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "host/host.hpp"

namespace hn::host {

// Hooks as this library knows them; NULL: none of them. Too short a struct is
// HN_INVALID_ARGUMENT, an unknown flag HN_UNSUPPORTED. where: "[hnhost_train]".
hnhost_hooks known_hooks(const char* where, const hnhost_hooks* hooks);

// One optimiser step as the hooks get it; report.rewards is borrowed. steps: the last one's number;
// samples: of a step.
hnhost_step step_of(const core::StepReport& report, std::uint64_t steps, double samples,
                    double seconds_left);

// The hooks of the call that runs, and whether somebody asked it to stop. Of calls within calls
// (on_step may sample) the innermost one's hooks are heard. Every function is [any-thread]: plugins
// may tell of progress from threads of their own, whenever they like.
class HookSlot {
 public:
  HookSlot() = default;
  HookSlot(const HookSlot&) = delete;
  HookSlot& operator=(const HookSlot&) = delete;

  bool cancelled() const;
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total) const;
  // True when the caller asks to stop.
  bool stepped(const hnhost_step& step) const;

  // Makes cancelled() true until it is taken back.
  void request_stop() { stop_ = true; }
  void take_back_stop() { stop_ = false; }

 private:
  friend class HookScope;
  struct Call {
    hnhost_hooks hooks{};
    Call* outer = nullptr;
    int heard = 0;  // hooks of this call that threads are in
  };
  // Runs body(hooks) with the running call's, if there is one.
  template <class Body>
  void hear(Body&& body) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable quiet_;
  Call* running_ = nullptr;
  std::atomic<bool> stop_{false};
};

// Lets hooks be heard for the length of one call. At its end it waits for those that other threads
// are in, so that nothing of the caller's is used after the call returned.
class HookScope {
 public:
  // hooks were known_hooks().
  HookScope(HookSlot& slot, const hnhost_hooks& hooks);
  ~HookScope();
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;

 private:
  HookSlot& slot_;
  HookSlot::Call call_;
};

core::Services make_services(const Host& host, const std::shared_ptr<HookSlot>& slot);

}  // namespace hn::host
