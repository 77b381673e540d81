#include "host/hooks.hpp"

#include <hn/cpp/error.hpp>
#include <utility>

#include "loader/plugin_calls.hpp"
#include "support/cat.hpp"

namespace hn::host {

void HookSlot::set(const hnhost_hooks* hooks) {
  if (hooks == nullptr) return;
  known_ = known_part(hooks);
  if (known_.flags != 0) throw Error(HN_UNSUPPORTED, cat("[hooks] unknown flags ", known_.flags));
  current_.store(&known_);
}

bool HookSlot::cancelled() const {
  const hnhost_hooks* hooks = current_.load();
  return hooks != nullptr && hooks->is_cancelled != nullptr && hooks->is_cancelled(hooks->ctx) != 0;
}

void HookSlot::progress(std::string_view what, std::uint64_t done, std::uint64_t total) const {
  const hnhost_hooks* hooks = current_.load();
  if (hooks != nullptr && hooks->on_progress != nullptr)
    hooks->on_progress(hooks->ctx, str(what), done, total);
}

bool HookSlot::stepped(const hnhost_step& step) const {
  const hnhost_hooks* hooks = current_.load();
  return hooks != nullptr && hooks->on_step != nullptr && hooks->on_step(hooks->ctx, &step) != 0;
}

core::Services make_services(const Host& host, const std::shared_ptr<HookSlot>& slot) {
  core::Services services;
  services.log = [&host](std::int32_t level, std::string_view text) { host.log(level, text); };
  services.cancelled = [slot] { return slot->cancelled(); };
  services.progress = [slot](std::string_view what, std::uint64_t done, std::uint64_t total) {
    slot->progress(what, done, total);
  };
  services.plugin_calls = &plugin_calls();
  return services;
}

core::Services make_services(const Host& host, const hnhost_hooks* hooks) {
  auto slot = std::make_shared<HookSlot>();
  slot->set(hooks);
  return make_services(host, slot);
}

}  // namespace hn::host
