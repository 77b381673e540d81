// backward: linear in the cotangents, pure, adding where it is asked to, honest about what was not
// asked for.
#include <malloc.h>

#include <algorithm>
#include <thread>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

std::string grad_name(Fn& fn, std::size_t i) { return "gradient of " + fn.inputs()[i].name; }

void expect_grads(Fn& fn, const AllValues& got, const AllValues& want, double tolerance,
                  const std::string& what) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!want[i] || !got[i]) continue;
    expect_close(*got[i], *want[i], tolerance, grad_name(fn, i) + ", " + what);
  }
}

AllValues zero_cotangents(const Case& one) {
  AllValues values = one.cotangents(1);
  for (auto& v : values)
    if (v) v->assign(v->size(), 0.0f);
  return values;
}

void linear(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1), b = one.cotangents(2);
  AllValues mix = a;
  constexpr float kA = 0.75f, kB = -2.0f;
  for (std::size_t k = 0; k < mix.size(); ++k)
    if (mix[k])
      for (std::size_t j = 0; j < mix[k]->size(); ++j)
        (*mix[k])[j] = kA * (*a[k])[j] + kB * (*b[k])[j];
  const AllValues ga = one.backward(a), gb = one.backward(b), got = one.backward(mix);
  AllValues want = ga;
  for (std::size_t i = 0; i < want.size(); ++i)
    if (want[i])
      for (std::size_t j = 0; j < want[i]->size(); ++j)
        (*want[i])[j] = kA * (*ga[i])[j] + kB * (*gb[i])[j];
  // Sums of float32 gradients round differently from the gradient of the sum.
  expect_grads(fn, got, want, 1e-4,
               "of 0.75 a - 2 b, against 0.75 times that of a less 2 times that of b");
}

void null_cotangent(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues none(fn.outputs().size());
  const AllValues zero = one.backward(none), added = one.backward(none, {.accumulate_onto = 3.0f});
  for (std::size_t i = 0; i < zero.size(); ++i) {
    if (!zero[i]) continue;
    expect_close(*zero[i], Values(zero[i]->size(), 0.0f), 0,
                 grad_name(fn, i) + " for NULL cotangents: expected zeros");
    expect_close(*added[i], Values(added[i]->size(), 3.0f), 0,
                 grad_name(fn, i) + " added for NULL cotangents: expected no change");
  }
  expect_grads(fn, one.backward(zero_cotangents(one)), zero, 0, "for cotangents of zeros");
}

void accumulate(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1);
  const AllValues plain = one.backward(a);
  for (const float start : {0.0f, 2.0f}) {
    const AllValues got = one.backward(a, {.accumulate_onto = start});
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!got[i]) continue;
      Values want = *plain[i];
      for (float& v : want) v += start;
      expect_close(*got[i], want, kSameMaths,
                   grad_name(fn, i) + " added onto " + std::to_string(start));
    }
  }
}

void masks(Context& c) {
  Fn& fn = c.fn();
  std::vector<std::size_t> diff;
  Case all(fn, {});
  for (std::size_t i = 0; i < all.need_grad().size(); ++i)
    if (all.need_grad()[i] != 0) diff.push_back(i);
  all.forward(true);
  const AllValues a = all.cotangents(1);
  const AllValues want = all.backward(a);
  // Each gradient alone, first by a NULL entry, then by a forward that was asked for it alone. With
  // many parameters a few stand for the rest.
  const std::size_t step = std::max<std::size_t>(1, diff.size() / 6);
  for (std::size_t n = 0; n < diff.size(); n += step) {
    std::vector<bool> only(want.size(), false);
    only[diff[n]] = true;
    const AllValues part = all.backward(a, {.wanted = only});
    expect_close(*part[diff[n]], *want[diff[n]], kSameMaths,
                 grad_name(fn, diff[n]) + " wanted alone");
    Case single(fn, {});
    for (std::size_t i = 0; i < single.need_grad().size(); ++i)
      single.need_grad()[i] = only[i] ? 1 : 0;
    single.forward(true);
    expect_close(*single.backward(a)[diff[n]], *want[diff[n]], kSameMaths,
                 grad_name(fn, diff[n]) + " asked for alone");
  }
  // No gradient wanted at all: nothing to do, and no error.
  const AllValues none = all.backward(a, {.wanted = std::vector<bool>(want.size(), false)});
  for (const auto& v : none) expect(!v, "no gradient was wanted");
}

void twice(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1);
  const AllValues first = one.backward(a);
  one.backward(one.cotangents(2));
  expect_grads(fn, one.backward(a), first, kSameMaths, "the same backward a third time");
}

void recomputed(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1);
  // The plugin is used for something else between forward and backward.
  Case other(fn, {.batch = 1, .seed = 5});
  other.forward(true);
  other.backward(other.cotangents(1));
  const AllValues saved = one.backward(a);
  other.release();
  one.forward(true);
  expect_grads(fn, one.backward(a), saved, kSameMaths, "recomputed, against the saved one");
}

void other_thread(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues a = one.cotangents(1);
  const AllValues here = one.backward(a);
  AllValues there;
  std::exception_ptr problem;
  std::thread([&] {
    try {
      there = one.backward(a);
      one.release();
    } catch (...) {
      problem = std::current_exception();  // reported by the thread that runs the check
    }
  }).join();
  if (problem) std::rethrow_exception(problem);
  expect_grads(fn, there, here, kSameMaths, "from another thread");
}

void strides(Context& c) {
  Fn& fn = c.fn();
  Case plain(fn, {});
  plain.forward(true);
  const AllValues a = plain.cotangents(1);
  const AllValues want = plain.backward(a);
  expect_grads(fn, plain.backward(a, {.layout = Layout::kOdd}), want, kSameMaths,
               "into strides and a byte_offset");
  Case odd(fn, {.layout = Layout::kOdd});
  odd.forward(true);
  expect_grads(fn, odd.backward(a, {.layout = Layout::kOdd}), want, 1e-4,
               "of inputs with strides and a byte_offset");
  const auto hit = odd.damage();
  expect(!hit, "backward with strides and byte_offset " + hit.value_or(""));
}

void batch_zero(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {.batch = 0});
  one.forward(true);
  const AllValues grads = one.backward(one.cotangents(1));
  for (std::size_t i = 0; i < grads.size(); ++i)
    if (grads[i])
      expect_close(*grads[i], Values(grads[i]->size(), 0.0f), 0,
                   grad_name(fn, i) + " of an empty batch: expected zeros");
}

void not_asked(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  const auto asked = one.need_grad();
  bool any = false;
  for (std::size_t i = 0; i < asked.size(); ++i)
    any = any || (!fn.inputs()[i].is(HN_SLOT_DIFF) && one.has_in(i));
  if (!any) throw Skip("every input has a gradient");
  one.forward(true);
  // A non-differentiable input's gradient is refused, never filled with something.
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (fn.inputs()[i].is(HN_SLOT_DIFF) || !one.has_in(i)) continue;
    Buffer room(one.in(i).shape());
    Views grads(asked.size());
    grads[i] = room.view();
    const hn_vjp vjp = cpu_vjp({}, grads);
    ErrorBuffer error;
    expect_refused(fn.table().backward(fn.get(), one.saved(), &vjp, error.get()), error,
                   "the gradient of " + fn.inputs()[i].name + ", which is not differentiable");
  }
}

std::size_t allocated() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

void released(Context& c) {
  Fn& fn = c.fn();
  const bool grad = fn.differentiable();
  const auto cycle = [&](int i) {
    Case one(fn, {.batch = 1});
    one.forward(grad);
    if (grad && i % 2 == 0) one.backward(one.cotangents(1));
    one.release();
  };
  // What malloc keeps in hand makes early windows grow; a leak makes every one of them grow.
  constexpr int kWindows = 24, kCycles = 8;
  constexpr std::size_t kSmallest = 16;  // bytes: no allocation is smaller
  std::size_t least = ~std::size_t{0};
  for (int window = 0; window < kWindows && least >= kCycles * kSmallest; ++window) {
    const std::size_t before = allocated();
    for (int i = 0; i < kCycles; ++i) cycle(i);
    const std::size_t after = allocated();
    least = std::min(least, after > before ? after - before : 0);
  }
  expect(least < kCycles * kSmallest, "forward, backward and saved_release: at least " +
                                          std::to_string(least / kCycles) +
                                          " bytes are not given back each time");
}

constexpr Check kChecks[] = {
    {"backward.linear", "The gradients are linear in the cotangents.", Scope::kFunction,
     &needs_gradient, &linear, "backward.works"},
    {"backward.null_cotangent", "A NULL cotangent is zero.", Scope::kFunction, &needs_gradient,
     &null_cotangent, "backward.works"},
    {"backward.accumulate", "accumulate adds onto what the buffer holds, its absence overwrites.",
     Scope::kFunction, &needs_gradient, &accumulate, "backward.works"},
    {"backward.masks", "A gradient is the same whichever others are asked for, and none need be.",
     Scope::kFunction, &needs_gradient, &masks, "backward.works"},
    {"backward.twice", "One forward serves any number of backwards.", Scope::kFunction,
     &needs_gradient, &twice, "backward.works"},
    {"backward.recomputed", "Saved and recomputed gradients agree, whatever ran in between.",
     Scope::kFunction, &needs_gradient, &recomputed, "backward.works"},
    {"backward.other_thread", "Any thread may call backward and saved_release.", Scope::kFunction,
     &needs_gradient, &other_thread, "backward.works"},
    {"backward.strides", "Cotangents and gradients may have any strides and a byte_offset.",
     Scope::kFunction, &needs_gradient, &strides, "backward.works"},
    {"backward.batch_zero", "An empty batch has gradients of zero.", Scope::kFunction,
     &needs_gradient, &batch_zero, "backward.works"},
    {"backward.not_differentiable", "The gradient of an input that has none is refused.",
     Scope::kFunction, &needs_gradient, &not_asked, "backward.works"},
    {"saved.released", "saved_release gives back everything that forward kept.", Scope::kFunction,
     nullptr, &released, "forward.works"},
};

}  // namespace

std::span<const Check> backward_checks() { return kChecks; }

}  // namespace hn::validate
