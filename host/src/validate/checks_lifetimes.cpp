// Who owns what until when: options until create and open return, outputs between forward and
// backward, inputs that repeat one sample; and budgets, which change nothing.
#include <algorithm>
#include <limits>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

// What the caller of create and open does with its texts afterwards.
void spoil(core::Options& options) {
  for (auto& [key, value] : options) {
    if (auto* text = std::get_if<std::string>(&value)) std::fill(text->begin(), text->end(), 'x');
    if (auto* list = std::get_if<std::vector<std::string>>(&value))
      for (std::string& text : *list) std::fill(text.begin(), text.end(), 'x');
  }
}

void options_borrowed(Context& c) {
  const std::string name = c.first_function();
  std::vector<Values> want;
  {
    Fn fn(c.instance(), name, c.subject().options);
    Case one(fn, {});
    one.forward(false);
    want = one.outputs();
  }
  core::Options created = c.subject().options, opened = created;
  const Instance instance(c.entry(), created);
  spoil(created);
  Fn fn(instance, name, opened);
  spoil(opened);
  Case one(fn, {});
  one.forward(false);
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(one.outputs()[k], want[k], kSameMaths,
                 "output " + fn.outputs()[k].name + ", after the texts of the options changed");
}

void expect_grads(Fn& fn, const AllValues& got, const AllValues& want, double tolerance,
                  const std::string& what) {
  for (std::size_t i = 0; i < want.size(); ++i)
    if (want[i] && got[i])
      expect_close(*got[i], *want[i], tolerance,
                   "gradient of " + fn.inputs()[i].name + ", " + what);
}

void outputs_unread(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1), want = one.backward(a);
  for (std::size_t k = 0; k < fn.outputs().size(); ++k)
    one.out(k).write(Values(one.out(k).count(), std::numeric_limits<float>::quiet_NaN()));
  expect_grads(fn, one.backward(a), want, kSameMaths, "after the outputs were overwritten");
}

// What a call that keeps holds, as the plugin plans it; 0: it does not say.
std::uint64_t planned_bytes(Fn& fn, const hn_call& call) {
  hn_plan plan{};
  plan.struct_size = sizeof plan;
  return fn.table().plan(fn.get(), &call, &plan, nullptr) == HN_OK ? plan.saved_bytes : 0;
}

void budget(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1), want = one.backward(a);
  hn_call call = one.call(true);
  const std::uint64_t whole = planned_bytes(fn, call);
  for (const std::uint64_t bytes : {std::uint64_t{1}, whole / 2, whole}) {
    if (bytes == 0) continue;
    const std::string what = "saved_budget_bytes = " + std::to_string(bytes);
    call.saved_budget_bytes = bytes;
    ErrorBuffer error;
    const hn_status status = one.try_forward(call, error);
    // Less than it can do with may be refused by name, what it planned for may not.
    if (status == HN_INVALID_ARGUMENT && bytes < std::max<std::uint64_t>(whole, 2)) {
      expect_refused(status, error, "forward with " + what, {HN_INVALID_ARGUMENT});
      expect(!one.has_saved(), "forward with " + what + ": refused, but *saved is not NULL");
      continue;
    }
    expect_ok(status, error, "forward with " + what);
    expect(one.has_saved(), "forward with " + what + " gave no saved");
    expect_grads(fn, one.backward(a), want, kSameMaths, "with " + what);
  }
}

// Every sample the first one, by values.
void repeat_first(Case& one, Fn& fn) {
  for (std::size_t i = 0; i < fn.inputs().size(); ++i) {
    const Slot& slot = fn.inputs()[i];
    const std::size_t d = slot.batch_dim();
    if (d == slot.shape.size()) continue;
    const auto& shape = one.in(i).shape();
    const std::size_t inner = element_count_of(std::span(shape).subspan(d + 1)),
                      outer = element_count_of(std::span(shape).first(d));
    const auto batch = static_cast<std::size_t>(shape[d]);
    Values values = one.in(i).read();
    for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t b = 1; b < batch; ++b)
        std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(o * batch * inner), inner,
                    values.begin() + static_cast<std::ptrdiff_t>((o * batch + b) * inner));
    one.in(i).write(values);
  }
}

void broadcast(Context& c) {
  Fn& fn = c.fn();
  const bool grad = fn.differentiable();
  Case by_values(fn, {}), by_stride(fn, {});
  repeat_first(by_values, fn);
  for (std::size_t i = 0; i < fn.inputs().size(); ++i)
    if (const std::size_t d = fn.inputs()[i].batch_dim(); d < fn.inputs()[i].shape.size())
      by_stride.in(i).edit().strides[d] = 0;
  by_values.forward(grad);
  by_stride.forward(grad);
  for (std::size_t k = 0; k < fn.outputs().size(); ++k)
    expect_close(by_stride.outputs()[k], by_values.outputs()[k], kSameUpToBlocking,
                 "output " + fn.outputs()[k].name + ", of inputs with a stride of 0");
  if (!grad) return;
  const AllValues a = by_values.cotangents(1);
  // As backward.strides has it.
  expect_grads(fn, by_stride.backward(a), by_values.backward(a), 1e-4,
               "of inputs with a stride of 0");
}

// An input that says that it has a gradient, of which nothing depends.
void depends(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues gradients = one.backward(one.cotangents(1));
  const bool zeros = std::any_of(gradients.begin(), gradients.end(), [](const auto& gradient) {
    return gradient && !gradient->empty() && norm(*gradient) == 0;
  });
  if (!zeros) return;
  one.forward(false);
  const auto before = one.outputs();
  Case other(fn, {.seed = 2});
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i] || gradients[i]->empty() || norm(*gradients[i]) > 0) continue;
    const Values start = one.in(i).read();
    one.in(i).write(other.in(i).read());
    one.forward(false);
    const auto after = one.outputs();
    one.in(i).write(start);
    bool same = true;
    for (std::size_t k = 0; k < after.size(); ++k) same = same && same_bits(after[k], before[k]);
    if (!same) continue;  // flat here
    // With this gradient alone asked for, forward has to fail.
    one.need_grad().assign(one.need_grad().size(), 0);
    one.need_grad()[i] = 1;
    ErrorBuffer error;
    expect_refused(one.try_forward(one.call(true), error), error,
                   "need_grad of " + fn.inputs()[i].name +
                       " alone, of which no output depends: a gradient of zeros that nobody meant");
    one.need_grad()[i] = 0;
  }
}

constexpr Check kChecks[] = {
    {"options.borrowed", "Options are read until create and open return, and not after.",
     Scope::kPlugin, nullptr, &options_borrowed, "forward.works"},
    {"backward.reads_no_output", "backward never reads what is in the outputs.", Scope::kFunction,
     &needs_gradient, &outputs_unread, "backward.works"},
    {"backward.budget", "A small saved_budget_bytes costs time, never the gradients.",
     Scope::kFunction, &needs_gradient, &budget, "backward.works"},
    {"forward.broadcast", "Inputs may repeat one sample by a stride of 0.", Scope::kFunction,
     nullptr, &broadcast, "forward.works"},
    {"gradient.depends",
     "Where no output depends on an input whose gradient is asked for, forward fails.",
     Scope::kFunction, &needs_gradient, &depends, "backward.works"},
};

}  // namespace

std::span<const Check> lifetime_checks() { return kChecks; }

}  // namespace hn::validate
