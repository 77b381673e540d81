// What changes nothing: flags of the upper half, further arguments that nobody need know, and on
// HN_OK the caller's hn_error. And what must be refused where it is not known.
#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <hn/cpp/client.hpp>

#include "validate/check.hpp"
#include "validate/services.hpp"

namespace hn::validate {
namespace {

constexpr std::uint32_t kHint = 1u << 20;  // of no version
static_assert((kHint & HN_FLAGS_CRITICAL) == 0);

void same_forward(Fn& fn, const std::vector<Values>& want, const std::string& what,
                  const std::function<void(hn_call&)>& edit, bool may_refuse = false) {
  Case one(fn, {});
  hn_call call = one.call(false);
  edit(call);
  ErrorBuffer error;
  const hn_status status = one.try_forward(call, error);
  if (status == HN_UNSUPPORTED && may_refuse) return expect_refused(status, error, what);
  expect_ok(status, error, what);
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(one.outputs()[k], want[k], kSameMaths,
                 "output " + fn.outputs()[k].name + ", " + what);
}

hn_next argument(std::uint32_t flags, const hn_next* next = nullptr) {
  return {sizeof(hn_next), flags, HN_STR("org.example.unheard/1"), next};
}

void hints(Context& c) {
  Fn& fn = c.fn();
  Case plain(fn, {});
  plain.forward(false);
  const auto want = plain.outputs();
  same_forward(fn, want, "a call with a hint", [](hn_call& call) { call.flags |= kHint; });
  const hn_next second = argument(kHint), first = argument(0, &second);
  same_forward(fn, want, "a call with further arguments that nobody need know",
               [&](hn_call& call) { call.next = &first; });
  same_forward(
      fn, want, "HN_CALL_CAPTURING", [](hn_call& call) { call.flags |= HN_CALL_CAPTURING; }, true);
  if (!fn.differentiable()) return;
  plain.forward(true);
  for (const bool by_argument : {false, true}) {
    hn_vjp vjp = cpu_vjp();
    vjp.flags = by_argument ? 0 : kHint;
    vjp.next = by_argument ? &first : nullptr;
    ErrorBuffer error;
    expect_ok(fn.table().backward(fn.get(), plain.saved(), &vjp, error.get()), error,
              by_argument ? "backward with further arguments that nobody need know"
                          : "backward with a hint");
  }
}

void arguments(Context& c) {
  Fn& fn = c.fn();
  const hn_next unknown = argument(1), behind = argument(0, &unknown);
  for (const hn_next* next : {&unknown, &behind}) {
    const std::string what = next == &unknown
                                 ? "a further argument that is not known and says that it matters"
                                 : "such an argument behind another one";
    Case one(fn, {});
    hn_call call = one.call(fn.differentiable());
    call.next = next;
    ErrorBuffer error;
    expect_refused(one.try_forward(call, error), error, what, {HN_UNSUPPORTED});
    expect(!one.has_saved(), what + ": refused, but *saved is not NULL");
    if (!fn.differentiable()) continue;
    one.forward(true);
    hn_vjp vjp = cpu_vjp();
    vjp.next = next;
    ErrorBuffer backward_error;
    expect_refused(fn.table().backward(fn.get(), one.saved(), &vjp, backward_error.get()),
                   backward_error, "backward with " + what, {HN_UNSUPPORTED});
  }
}

// An hn_error full of marks, which a success leaves as they are.
class Marked {
 public:
  Marked() {
    room_.fill('\x5a');
    raw_.message = room_.data();
    raw_.capacity = room_.size();
    before_ = raw_;
  }
  Marked(const Marked&) = delete;
  Marked& operator=(const Marked&) = delete;
  hn_error* get() { return &raw_; }
  void expect_untouched(hn_status status, const std::string& what) const {
    expect(status == HN_OK, what + ": expected HN_OK, got " + code_name(status));
    const bool whole = raw_.struct_size == before_.struct_size && raw_.code == before_.code &&
                       raw_.message == before_.message && raw_.capacity == before_.capacity &&
                       raw_.length == before_.length &&
                       std::all_of(room_.begin(), room_.end(), [](char c) { return c == '\x5a'; });
    expect(whole, what + " gave HN_OK and wrote into the caller's hn_error");
  }

 private:
  std::array<char, 64> room_;
  hn_error raw_{sizeof(hn_error), 0x5a5a, nullptr, 0, 0x5a5a};
  hn_error before_{};
};

void untouched(Context& c) {
  const core::Options& options = c.subject().options;
  hn_instance* instance = nullptr;
  Marked create;
  create.expect_untouched(
      c.entry()->create(services(), as_config(options), &instance, create.get()), "create");
  c.entry()->destroy(instance);
  const hn_fn_v1& table = c.instance().fn();
  hn_fn* opened = nullptr;
  Marked open;
  open.expect_untouched(
      table.open(c.instance().get(), str(c.function()), as_config(options), &opened, open.get()),
      "open");
  table.close(opened);
  Fn& fn = c.fn();
  hn_fn_info info{};
  info.struct_size = sizeof info;
  Marked of_info;
  of_info.expect_untouched(table.info(fn.get(), &info, of_info.get()), "info");
  hn_slot slot{};
  slot.struct_size = sizeof slot;
  Marked of_slot;
  of_slot.expect_untouched(table.slot(fn.get(), HN_SLOT_INPUT, 0, &slot, of_slot.get()), "slot");
  if (fn.needs_cond()) {
    const std::vector<std::string> texts = {prompt_text(0)};
    RawPrompts prompts(texts);
    hn_cond* handle = nullptr;
    Marked encode;
    encode.expect_untouched(c.instance().cond()->encode(c.instance().get(), prompts.data(), 1,
                                                        kCpuStream, &handle, encode.get()),
                            "encode");
    c.instance().cond()->release(c.instance().get(), handle, kCpuStream);
  }
  Case one(fn, {});
  const hn_call call = one.call(fn.differentiable());
  hn_saved* saved = nullptr;
  Marked forward;
  forward.expect_untouched(table.forward(fn.get(), &call, &saved, forward.get()), "forward");
  if (saved == nullptr) return;
  const hn_vjp vjp = cpu_vjp();
  Marked backward;
  const hn_status status = table.backward(fn.get(), saved, &vjp, backward.get());
  table.saved_release(fn.get(), saved, kCpuStream);
  backward.expect_untouched(status, "backward");
}

constexpr Check kChecks[] = {
    {"calls.hints",
     "Hints, and further arguments that nobody need know, change nothing; a capture is served or "
     "refused.",
     Scope::kFunction, nullptr, &hints, "forward.works"},
    {"errors.next", "A further argument that is not known and says that it matters is refused.",
     Scope::kFunction, nullptr, &arguments, "forward.works"},
    {"errors.untouched", "On HN_OK the caller's hn_error stays as it was.", Scope::kFunction,
     nullptr, &untouched, "forward.works"},
};

}  // namespace

std::span<const Check> hint_checks() { return kChecks; }

}  // namespace hn::validate
