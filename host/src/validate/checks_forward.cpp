// forward: the same for the same call, whatever the batch, the strides and what ran in between.
#include <thread>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

std::string output_name(Fn& fn, std::size_t k) { return "output " + fn.outputs()[k].name; }

void deterministic(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  const auto first = one.outputs();
  // Another call in between: no state may stay behind.
  Case other(fn, {.seed = 2});
  other.forward(false);
  one.forward(false);
  const auto second = one.outputs();
  for (std::size_t k = 0; k < first.size(); ++k) {
    expect_finite(first[k], output_name(fn, k));
    expect_close(second[k], first[k], 0, output_name(fn, k) + ", the same call again");
  }
  hn_call call = one.call(false);
  call.flags |= HN_CALL_DETERMINISTIC;
  ErrorBuffer error;
  const hn_status status = one.try_forward(call, error);
  if (status == HN_UNSUPPORTED) return;
  expect_ok(status, error, "forward with HN_CALL_DETERMINISTIC");
  for (std::size_t k = 0; k < first.size(); ++k)
    expect_close(one.outputs()[k], first[k], kSameMaths,
                 output_name(fn, k) + " with HN_CALL_DETERMINISTIC");
}

void keeps_result(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  const auto plain = one.outputs();
  one.forward(true);
  const auto kept = one.outputs();
  for (std::size_t k = 0; k < plain.size(); ++k)
    expect_close(kept[k], plain[k], kSameMaths, output_name(fn, k) + " with gradients kept");
}

void batch_sizes(Context& c) {
  Fn& fn = c.fn();
  for (const std::int64_t batch : {0, 1, 3}) {
    Case one(fn, {.batch = batch});
    try {
      one.forward(false);
    } catch (const Failure& e) {
      throw Failure("batch " + std::to_string(batch) + ": " + e.what());
    }
    const auto values = one.outputs();
    for (std::size_t k = 0; k < values.size(); ++k)
      expect_finite(values[k], output_name(fn, k) + " at batch " + std::to_string(batch));
    const auto hit = one.damage();
    expect(!hit, "batch " + std::to_string(batch) + ": forward " + hit.value_or(""));
  }
}

void batch_independent(Context& c) {
  Fn& fn = c.fn();
  if ((fn.flags() & HN_FN_MIXES_SAMPLES) != 0) throw Skip("the function mixes its samples");
  const std::int64_t batch = 3;
  Case all(fn, {.batch = batch});
  all.forward(false);
  const auto together = all.outputs();
  for (std::int64_t b = 0; b < batch; ++b) {
    Case alone(fn, {.batch = 1, .first_sample = b});
    alone.forward(false);
    const auto single = alone.outputs();
    for (std::size_t k = 0; k < together.size(); ++k) {
      const std::size_t n = together[k].size() / static_cast<std::size_t>(batch);
      if (fn.outputs()[k].shape.empty() || fn.outputs()[k].shape[0] != HN_DIM_BATCH) continue;
      expect_close(std::span(together[k]).subspan(static_cast<std::size_t>(b) * n, n), single[k],
                   kSameUpToBlocking,
                   output_name(fn, k) + ", sample " + std::to_string(b) + " in a batch and alone");
    }
  }
}

void odd_strides(Context& c) {
  Fn& fn = c.fn();
  Case plain(fn, {});
  plain.forward(false);
  Case odd(fn, {.layout = Layout::kOdd});
  odd.forward(false);
  const auto want = plain.outputs(), got = odd.outputs();
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(got[k], want[k], kSameMaths, output_name(fn, k) + " with strides and byte_offset");
  const auto hit = odd.damage();
  expect(!hit, "forward with strides and byte_offset " + hit.value_or(""));
}

void inputs_unchanged(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  auto hit = one.damage();
  expect(!hit, "forward " + hit.value_or(""));
  if (!fn.differentiable()) return;
  one.forward(true);
  one.backward(one.cotangents(1));
  hit = one.damage();
  expect(!hit, "forward and backward " + hit.value_or(""));
  const auto outputs = one.outputs();
  one.backward(one.cotangents(2));
  const auto after = one.outputs();
  for (std::size_t k = 0; k < after.size(); ++k)
    expect_close(after[k], outputs[k], 0, output_name(fn, k) + " after backward");
}

void other_thread(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  const auto here = one.outputs();
  std::exception_ptr problem;
  std::thread([&] {
    try {
      one.forward(false);
    } catch (...) {
      problem = std::current_exception();  // reported by the thread that runs the check
    }
  }).join();
  if (problem) std::rethrow_exception(problem);
  const auto there = one.outputs();
  for (std::size_t k = 0; k < here.size(); ++k)
    expect_close(there[k], here[k], kSameMaths, output_name(fn, k) + " from another thread");
}

void optional_slots(Context& c) {
  Fn& fn = c.fn();
  bool any = false;
  for (const Slot& slot : fn.inputs()) any = any || slot.is(HN_SLOT_OPTIONAL);
  for (const Slot& slot : fn.outputs()) any = any || slot.is(HN_SLOT_OPTIONAL);
  if (!any) throw Skip("every slot is required");
  // Optional inputs away, as NULL entries and as a shorter list; results finite.
  Case without(fn, {.optional_inputs = false});
  without.forward(false);
  const auto values = without.outputs();
  for (std::size_t k = 0; k < values.size(); ++k)
    expect_finite(values[k], output_name(fn, k) + " without optional inputs");
  // Optional outputs away: the others stay the same.
  Case one(fn, {});
  one.forward(false);
  const auto all = one.outputs();
  std::vector<const DLTensor*> out;
  for (std::size_t k = 0; k < fn.outputs().size(); ++k)
    out.push_back(fn.outputs()[k].is(HN_SLOT_OPTIONAL) ? nullptr : one.out(k).view());
  hn_call call = one.call(false);
  call.out = out.data();
  ErrorBuffer error;
  expect_ok(one.try_forward(call, error), error, "forward without optional outputs");
  for (std::size_t k = 0; k < out.size(); ++k)
    if (out[k] != nullptr)
      expect_close(one.outputs()[k], all[k], kSameMaths,
                   output_name(fn, k) + " without optional outputs");
}

constexpr Check kChecks[] = {
    {"forward.deterministic", "The same call gives the same bits, whatever ran in between.",
     Scope::kFunction, nullptr, &deterministic, "forward.works"},
    {"forward.keeps_result", "Keeping what backward needs does not change the result.",
     Scope::kFunction, &needs_gradient, &keeps_result, "backward.works"},
    {"forward.batch",
     "Batches of 0, 1 and 3 samples work, and every element of the outputs is written.",
     Scope::kFunction, nullptr, &batch_sizes, "forward.works"},
    {"forward.batch_independent", "A sample's result does not depend on its neighbours.",
     Scope::kFunction, nullptr, &batch_independent, "forward.works"},
    {"forward.strides", "Inputs and outputs may have any strides and a byte_offset.",
     Scope::kFunction, nullptr, &odd_strides, "forward.works"},
    {"forward.untouched",
     "Inputs and the bytes round inputs and outputs stay as they were, also through backward.",
     Scope::kFunction, nullptr, &inputs_unchanged, "forward.works"},
    {"forward.other_thread", "Any thread may call.", Scope::kFunction, nullptr, &other_thread,
     "forward.works"},
    {"forward.optional", "Optional inputs and outputs may be absent.", Scope::kFunction, nullptr,
     &optional_slots, "forward.works"},
};

}  // namespace

std::span<const Check> forward_checks() { return kChecks; }

}  // namespace hn::validate
