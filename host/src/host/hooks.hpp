// The caller's hooks as the core's services.
#pragma once

#include <hnhost/hnhost.h>

#include <atomic>
#include <memory>

#include "host/host.hpp"

namespace hn::host {

// The hooks of the call that is running; empty between calls. Read from any thread.
class HookSlot {
 public:
  // Hooks as this library knows them; the caller's may be shorter. Unknown flags are refused.
  void set(const hnhost_hooks* hooks);
  void clear() { current_.store(nullptr); }

  bool cancelled() const;
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total) const;
  // True when the caller asks to stop.
  bool stepped(const hnhost_step& step) const;

 private:
  hnhost_hooks known_{};
  std::atomic<const hnhost_hooks*> current_{nullptr};
};

// Sets hooks for the length of one call.
class HookScope {
 public:
  HookScope(HookSlot& slot, const hnhost_hooks* hooks) : slot_(slot) { slot_.set(hooks); }
  ~HookScope() { slot_.clear(); }
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;

 private:
  HookSlot& slot_;
};

core::Services make_services(const Host& host, const std::shared_ptr<HookSlot>& slot);

}  // namespace hn::host
