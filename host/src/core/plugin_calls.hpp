// Which call of a plugin each thread of the process is in, so that a crash or an exit in it can be
// laid at the right door. Shared by libhnhost, which owns the one table, and its core.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hn::core {

class PluginCalls {
 public:
  struct Call {
    const char* plugin;      // as the user knows it: "clip"
    const char* library;     // its path; "" when it has none
    const char* function;    // "load", "create", "score", "score backward"
    std::uint64_t step = 0;  // of training, from 1; 0: none
  };

  // The innermost call that a thread is in; null: none. Safe in a signal handler, as any() is.
  const Call* of(pthread_t thread) const noexcept {
    for (const Place& place : places_)
      if (place.thread.load(std::memory_order_relaxed) == thread)
        return place.innermost.load(std::memory_order_acquire);
    return nullptr;
  }
  // A call that some thread is in; null: none.
  const Call* any() const noexcept {
    for (const Place& place : places_)
      if (const Call* call = place.innermost.load(std::memory_order_acquire)) return call;
    return nullptr;
  }

 private:
  friend class PluginCallScope;
  struct Place {
    std::atomic<pthread_t> thread{0};  // 0: free
    std::atomic<const Call*> innermost{nullptr};
  };
  // The thread's place, or a free one for it; null when all are taken.
  Place* claim(pthread_t thread) noexcept {
    const std::size_t used = used_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < used; ++i)
      if (places_[i].thread.load(std::memory_order_relaxed) == thread) return &places_[i];
    for (std::size_t i = 0; i < places_.size(); ++i) {
      pthread_t free = 0;
      if (!places_[i].thread.compare_exchange_strong(free, thread)) continue;
      for (std::size_t now = used_; now < i + 1 && !used_.compare_exchange_weak(now, i + 1);) {
      }
      return &places_[i];
    }
    return nullptr;
  }

  // As many threads as are told at once; calls of more run as well.
  std::array<Place, 64> places_{};
  std::atomic<std::size_t> used_{0};  // places beyond it were never taken
};

// Tells a call for as long as it lasts. The texts of `call` stay in place until then. calls may be
// null.
class PluginCallScope {
 public:
  PluginCallScope(PluginCalls* calls, const PluginCalls::Call& call) noexcept : call_(call) {
    if (calls == nullptr) return;
    place_ = calls->claim(pthread_self());
    if (place_ == nullptr) return;
    outer_ = place_->innermost.load(std::memory_order_relaxed);
    place_->innermost.store(&call_, std::memory_order_release);
  }
  ~PluginCallScope() {
    if (place_ == nullptr) return;
    place_->innermost.store(outer_, std::memory_order_release);
    if (outer_ == nullptr) place_->thread.store(0, std::memory_order_release);
  }
  PluginCallScope(const PluginCallScope&) = delete;
  PluginCallScope& operator=(const PluginCallScope&) = delete;

 private:
  PluginCalls::Call call_;
  PluginCalls::Place* place_ = nullptr;
  const PluginCalls::Call* outer_ = nullptr;  // a plugin's callback may have led to another plugin
};

}  // namespace hn::core
