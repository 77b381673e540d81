// forward: the same for the same call, whatever the batch, the strides and what ran in between.
#include <algorithm>
#include <functional>
#include <thread>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

// Sums of float32 gradients in other orders.
constexpr double kSameGradients = 1e-3;

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
  const auto flagged = one.outputs();
  ErrorBuffer again;
  expect_ok(one.try_forward(call, again), again, "forward with HN_CALL_DETERMINISTIC");
  for (std::size_t k = 0; k < first.size(); ++k) {
    expect_close(flagged[k], first[k], kSameMaths,
                 output_name(fn, k) + " with HN_CALL_DETERMINISTIC");
    expect_close(one.outputs()[k], flagged[k], 0,
                 output_name(fn, k) + " with HN_CALL_DETERMINISTIC, the same call again");
  }
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

// How a sample's result in a batch differs from that alone; empty: it does not.
std::string neighbours_matter(Fn& fn) {
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
      const std::string what =
          output_name(fn, k) + ", sample " + std::to_string(b) + " in a batch and alone";
      try {
        expect_close(std::span(together[k]).subspan(static_cast<std::size_t>(b) * n, n), single[k],
                     kSameUpToBlocking, what);
      } catch (const Failure& e) {
        return e.what();
      }
    }
  }
  return "";
}

// The numbers of one sample.
Values sample_of(const Values& values, const std::vector<std::int64_t>& shape, std::size_t dim,
                 std::size_t b) {
  const std::size_t inner = element_count_of(std::span(shape).subspan(dim + 1)),
                    outer = element_count_of(std::span(shape).first(dim));
  const auto batch = static_cast<std::size_t>(shape[dim]);
  Values one;
  for (std::size_t o = 0; o < outer; ++o) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>((o * batch + b) * inner);
    one.insert(one.end(), from, from + static_cast<std::ptrdiff_t>(inner));
  }
  return one;
}

// The gradients of a batch are those of its samples alone; of parameters their sum. So what finite
// differences say of one sample is true of every one.
void gradients_independent(Fn& fn) {
  for (const Slot& slot : fn.outputs())
    if (slot.batch_dim() == slot.shape.size()) return;
  Case both(fn, {});
  both.forward(true);
  const AllValues cotangents = both.cotangents(1), together = both.backward(cotangents);
  AllValues sums(together.size());
  for (std::size_t b = 0; b < 2; ++b) {
    Case alone(fn, {.batch = 1, .first_sample = static_cast<std::int64_t>(b)});
    alone.forward(true);
    AllValues part = cotangents;
    for (std::size_t k = 0; k < part.size(); ++k)
      if (part[k])
        part[k] = sample_of(*part[k], both.out(k).shape(), fn.outputs()[k].batch_dim(), b);
    const AllValues single = alone.backward(part);
    for (std::size_t i = 0; i < single.size(); ++i) {
      if (!single[i] || !together[i]) continue;
      const std::size_t dim = fn.inputs()[i].batch_dim();
      if (dim == fn.inputs()[i].shape.size()) {
        if (!sums[i]) sums[i] = Values(single[i]->size());
        std::transform(sums[i]->begin(), sums[i]->end(), single[i]->begin(), sums[i]->begin(),
                       std::plus<>());
        continue;
      }
      expect_close(sample_of(*together[i], both.in(i).shape(), dim, b), *single[i], kSameGradients,
                   "gradient of " + fn.inputs()[i].name + ", sample " + std::to_string(b) +
                       " in a batch and alone (HN_FN_MIXES_SAMPLES is not set)");
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i])
      expect_close(*together[i], *sums[i], kSameGradients,
                   "gradient of " + fn.inputs()[i].name + ", of a batch and of its samples summed");
}

void batch_independent(Context& c) {
  Fn& fn = c.fn();
  const std::string matter = neighbours_matter(fn);
  if ((fn.flags() & HN_FN_MIXES_SAMPLES) == 0) {
    expect(matter.empty(), matter);
    if (fn.differentiable()) gradients_independent(fn);
  } else if (matter.empty()) {
    throw Note(
        "HN_FN_MIXES_SAMPLES is set, and three samples gave the same alone and in a batch: without "
        "the flag the host could split batches");
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
  std::size_t n_in = fn.inputs().size();
  while (n_in > 0 && fn.inputs()[n_in - 1].is(HN_SLOT_OPTIONAL)) --n_in;
  if (n_in < fn.inputs().size()) {
    hn_call shorter = without.call(false);
    shorter.n_in = n_in;
    ErrorBuffer shorter_error;
    expect_ok(without.try_forward(shorter, shorter_error), shorter_error,
              "forward with a list that ends before the optional inputs");
    for (std::size_t k = 0; k < values.size(); ++k)
      expect_close(without.outputs()[k], values[k], kSameMaths,
                   output_name(fn, k) + " with a list that ends before the optional inputs");
  }
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
    {"forward.batch_independent",
     "A sample depends on its neighbours only with HN_FN_MIXES_SAMPLES.", Scope::kFunction, nullptr,
     &batch_independent, "forward.works"},
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
