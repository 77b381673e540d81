#include "host/hooks.hpp"

#include <hn/cpp/error.hpp>
#include <utility>

#include "host/arguments.hpp"
#include "loader/plugin_calls.hpp"

namespace hn::host {

hnhost_hooks known_hooks(const char* where, const hnhost_hooks* hooks) {
  return hooks == nullptr ? hnhost_hooks{} : argument(hooks, where, "hooks");
}

hnhost_step step_of(const core::StepReport& report, std::uint64_t steps, double samples,
                    double seconds_left) {
  hnhost_step step{};
  step.struct_size = sizeof(step);
  step.flags = report.skipped ? HNHOST_STEP_SKIPPED : 0u;
  step.step = report.step;
  step.steps = steps;
  step.reward = report.reward;
  step.kl = report.kl;
  step.loss = report.loss;
  step.grad_norm = report.grad_norm;
  step.lr = report.lr;
  step.samples_per_second = report.seconds > 0 ? samples / report.seconds : 0;
  step.seconds_left = seconds_left;
  step.rewards = report.rewards.data();
  step.n_rewards = report.rewards.size();
  return step;
}

template <class Body>
void HookSlot::hear(Body&& body) const {
  Call* call = nullptr;
  {
    const std::lock_guard lock(mutex_);
    call = running_;
    if (call == nullptr) return;
    ++call->heard;
  }
  // An own object, so that a hook that throws, which it must not, ends the call and not its wait.
  struct Left {
    const HookSlot& slot;
    Call& call;
    ~Left() {
      const std::lock_guard lock(slot.mutex_);
      if (--call.heard == 0) slot.quiet_.notify_all();
    }
  } const left{*this, *call};
  body(call->hooks);
}

bool HookSlot::cancelled() const {
  if (stop_) return true;
  bool answer = false;
  hear([&](const hnhost_hooks& hooks) {
    answer = hooks.is_cancelled != nullptr && hooks.is_cancelled(hooks.ctx) != 0;
  });
  return answer;
}

void HookSlot::progress(std::string_view what, std::uint64_t done, std::uint64_t total) const {
  hear([&](const hnhost_hooks& hooks) {
    if (hooks.on_progress != nullptr) hooks.on_progress(hooks.ctx, str(what), done, total);
  });
}

bool HookSlot::stepped(const hnhost_step& step) const {
  bool stop = false;
  hear([&](const hnhost_hooks& hooks) {
    stop = hooks.on_step != nullptr && hooks.on_step(hooks.ctx, &step) != 0;
  });
  return stop;
}

HookScope::HookScope(HookSlot& slot, const hnhost_hooks& hooks) : slot_(slot) {
  const std::lock_guard lock(slot_.mutex_);
  call_.hooks = hooks;
  call_.outer = slot_.running_;
  slot_.running_ = &call_;
}

HookScope::~HookScope() {
  std::unique_lock lock(slot_.mutex_);
  // Usually the innermost; not where a caller broke the rule of one call at a time.
  HookSlot::Call** link = &slot_.running_;
  while (*link != nullptr && *link != &call_) link = &(*link)->outer;
  if (*link != nullptr) *link = call_.outer;
  slot_.quiet_.wait(lock, [&] { return call_.heard == 0; });
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
  // The scope ends with the last copy of the services, which is inside of the call.
  struct Heard {
    HookSlot slot;
    HookScope scope;
    explicit Heard(const hnhost_hooks& known) : scope(slot, known) {}
  };
  auto heard = std::make_shared<Heard>(known_hooks("hooks", hooks));
  return make_services(host, std::shared_ptr<HookSlot>(heard, &heard->slot));
}

}  // namespace hn::host
