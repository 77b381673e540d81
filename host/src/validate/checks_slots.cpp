// What a function says of itself: counts, slots, plan; and structs of older and newer hosts.
#include <algorithm>
#include <array>
#include <hn/cpp/tensor.hpp>
#include <set>

#include "validate/check.hpp"
#include "validate/struct_sizes.hpp"

namespace hn::validate {
namespace {

void check_slot(const Slot& slot, bool input) {
  const std::string where = (input ? "input " : "output ") + slot.name;
  expect(!slot.name.empty() && !slot.semantic.empty(),
         where + ": name and semantic must not be empty");
  constexpr std::uint32_t kKnown = HN_SLOT_PARAM | HN_SLOT_DIFF | HN_SLOT_OPTIONAL;
  const std::uint32_t unknown = slot.flags & HN_FLAGS_CRITICAL & ~kKnown;  // others are hints
  expect(unknown == 0, where + ": unknown flags " + std::to_string(unknown));
  static const std::set<std::string> kWords = {"noise",   "step_noise", "image_rgb01",
                                               "latents", "offset",     "score",
                                               "lora_a",  "lora_b",     "column"};
  expect(kWords.contains(slot.semantic) || slot.semantic.find('.') != std::string::npos,
         where + ": the semantic '" + slot.semantic +
             "' has no dot, and hn has no such word: give it a reverse domain");
  expect(slot.dtype.lanes == 1 && slot.dtype.bits > 0, where + ": implausible dtype");
  for (const std::int64_t d : slot.shape)
    expect(d > 0 || d == HN_DIM_BATCH || d == HN_DIM_ANY,
           where + ": a size of " + std::to_string(d));
  if (slot.is(HN_SLOT_PARAM)) {
    expect(input, where + ": an output cannot be a parameter");
    expect(slot.is(HN_SLOT_DIFF), where + ": a parameter must be differentiable");
    expect(same_dtype(slot.grad_dtype, kFloat32),
           where + ": the gradient of a parameter is float32");
    for (const std::int64_t d : slot.shape) expect(d > 0, where + ": a parameter has fixed sizes");
    expect(slot.semantic == "lora_a" || slot.semantic == "lora_b",
           where + ": expected the semantic lora_a or lora_b, got " + slot.semantic);
  }
}

// The one slot of a semantic: that is what a host looks for, whatever the name.
const Slot& the_one(const std::vector<Slot>& slots, const std::string& semantic, std::size_t ndim) {
  const Slot* found = nullptr;
  for (const Slot& slot : slots) {
    if (slot.semantic != semantic) continue;
    expect(found == nullptr, "two slots of semantic " + semantic + ": " +
                                 (found != nullptr ? found->name : "") + " and " + slot.name);
    expect(slot.shape.size() == ndim && slot.shape[0] == HN_DIM_BATCH,
           slot.name + ": expected " + std::to_string(ndim) +
               " dimensions, the first of them the batch");
    found = &slot;
  }
  expect(found != nullptr, "expected a slot of semantic " + semantic);
  return *found;
}

// A reward judges pictures, or the latents of a space that its slot's name says.
std::string judged_by(Fn& fn) {
  const auto takes = [&](const char* semantic) {
    return std::any_of(fn.inputs().begin(), fn.inputs().end(),
                       [&](const Slot& slot) { return slot.semantic == semantic; });
  };
  const bool pictures = takes("image_rgb01"), latents = takes("latents");
  expect(pictures || latents, "score: expected an input of semantic image_rgb01 or latents");
  expect(!pictures || !latents, "score: expected image_rgb01 or latents, got both");
  return pictures ? "image_rgb01" : "latents";
}

void sane(Context& c) {
  Fn& fn = c.fn();
  std::set<std::string> names;
  for (const Slot& slot : fn.inputs()) {
    check_slot(slot, true);
    expect(names.insert(slot.name).second, "input " + slot.name + " is there twice");
  }
  names.clear();
  for (const Slot& slot : fn.outputs()) {
    check_slot(slot, false);
    expect(names.insert(slot.name).second, "output " + slot.name + " is there twice");
  }
  constexpr std::uint32_t kKnown = HN_FN_NEEDS_COND | HN_FN_RANDOM | HN_FN_MIXES_SAMPLES;
  const std::uint32_t unknown = fn.flags() & HN_FLAGS_CRITICAL & ~kKnown;
  expect(unknown == 0, "info: unknown flags " + std::to_string(unknown));
  expect(!fn.needs_cond() || c.instance().cond() != nullptr, "HN_FN_NEEDS_COND without hn.cond/1");
  if (c.function() == "score") {
    the_one(fn.inputs(), judged_by(fn), 4);
    const Slot& score = the_one(fn.outputs(), "score", 1);
    expect(&score == &fn.outputs()[0], "score must be the first output");
    expect(score.is(HN_SLOT_DIFF) == fn.differentiable(),
           "score must be DIFF exactly when what it judges is");
  } else if (c.function() == "generate") {
    expect(&the_one(fn.inputs(), "noise", 4) == &fn.inputs()[0], "noise must be the first input");
    expect(&the_one(fn.outputs(), "image_rgb01", 4) == &fn.outputs()[0],
           "image_rgb01 must be the first output");
  } else if (c.function() == "noise_net") {
    const Slot& noise = the_one(fn.inputs(), "noise", 4);
    expect(the_one(fn.outputs(), "offset", 4).shape == noise.shape,
           "offset must have the noise's shape");
  } else if (c.function() == "decode") {
    the_one(fn.inputs(), "latents", 4);
    the_one(fn.outputs(), "image_rgb01", 4);
  } else if (c.function() == "encode") {
    the_one(fn.inputs(), "image_rgb01", 4);
    the_one(fn.outputs(), "latents", 4);
  }
}

void out_of_range(Context& c) {
  Fn& fn = c.fn();
  const std::array<std::pair<std::int32_t, std::uint64_t>, 4> bad = {
      {{HN_SLOT_INPUT, fn.inputs().size()},
       {HN_SLOT_OUTPUT, fn.outputs().size()},
       {HN_SLOT_OUTPUT, ~std::uint64_t{0}},
       {7, 0}}};
  for (const auto& [direction, index] : bad) {
    hn_slot slot{};
    slot.struct_size = sizeof slot;
    ErrorBuffer error;
    expect_refused(fn.table().slot(fn.get(), direction, index, &slot, error.get()), error,
                   "slot " + std::to_string(index) + " of direction " + std::to_string(direction));
  }
}

void struct_sizes(Context& c) {
  Fn& fn = c.fn();
  short_and_long<hn_fn_info>("hn_fn_info", [&](hn_fn_info* info) {
    return fn.table().info(fn.get(), info, nullptr) == HN_OK;
  });
  short_and_long<hn_slot>("hn_slot", [&](hn_slot* slot) {
    return fn.table().slot(fn.get(), HN_SLOT_INPUT, 0, slot, nullptr) == HN_OK;
  });
  Case one(fn, {});
  const hn_call call = one.call(fn.differentiable());
  short_and_long<hn_plan>("hn_plan", [&](hn_plan* plan) {
    return fn.table().plan(fn.get(), &call, plan, nullptr) == HN_OK;
  });

  // A newer host's call: unknown trailing fields are ignored.
  one.forward(false);
  const auto expected = one.outputs();
  struct {
    hn_call call;
    std::array<unsigned char, 64> tail;
  } longer{one.call(false), {}};
  longer.tail.fill(0xff);
  longer.call.struct_size = sizeof longer;
  ErrorBuffer error;
  expect_ok(one.try_forward(longer.call, error), error, "forward with a longer hn_call");
  for (std::size_t k = 0; k < expected.size(); ++k)
    expect_close(one.outputs()[k], expected[k], 0, "forward with a longer hn_call");
  // A call that cannot hold the fields of version 1.0 comes from no host of this ABI.
  hn_call shorter = one.call(false);
  shorter.struct_size = offsetof(hn_call, next);
  ErrorBuffer shorter_error;
  expect_refused(one.try_forward(shorter, shorter_error), shorter_error,
                 "forward with an hn_call shorter than version 1.0", {HN_INVALID_ARGUMENT});
  if (!fn.differentiable()) return;
  one.forward(true);
  struct {
    hn_vjp vjp;
    std::array<unsigned char, 64> tail;
  } newer{cpu_vjp(), {}};
  newer.tail.fill(0xff);
  newer.vjp.struct_size = sizeof newer;
  ErrorBuffer newer_error;
  expect_ok(fn.table().backward(fn.get(), one.saved(), &newer.vjp, newer_error.get()), newer_error,
            "backward with a longer hn_vjp");
  newer.vjp.struct_size = offsetof(hn_vjp, next);
  ErrorBuffer older_error;
  expect_refused(fn.table().backward(fn.get(), one.saved(), &newer.vjp, older_error.get()),
                 older_error, "backward with an hn_vjp shorter than version 1.0",
                 {HN_INVALID_ARGUMENT});
}

void plan(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  // Only shapes are read.
  for (std::size_t i = 0; i < fn.inputs().size(); ++i) one.in(i).edit().data = nullptr;
  for (std::size_t k = 0; k < fn.outputs().size(); ++k) one.out(k).edit().data = nullptr;
  const hn_call call = one.call(fn.differentiable());
  hn_plan plan{};
  plan.struct_size = sizeof plan;
  ErrorBuffer error;
  const hn_status status = fn.table().plan(fn.get(), &call, &plan, error.get());
  if (status == HN_UNSUPPORTED) throw Skip("the function gives no estimate");
  expect_ok(status, error, "plan");
  expect(plan.flags == 0, "plan: flags must be zero");
  expect(plan.peak_bytes >= plan.saved_bytes, "plan: peak_bytes includes saved_bytes, got " +
                                                  std::to_string(plan.peak_bytes) + " and " +
                                                  std::to_string(plan.saved_bytes));
}

constexpr Check kChecks[] = {
    {"slots.sane",
     "Slots have names, known flags and shapes, and the inputs and outputs that their function is "
     "for.",
     Scope::kFunction, nullptr, &sane, "open.works"},
    {"slots.range", "A slot that does not exist is refused with a code and a text.",
     Scope::kFunction, nullptr, &out_of_range, "open.works"},
    {"structs.sizes",
     "Structs of older and newer hosts are filled as far as they go, and read as far as both know.",
     Scope::kFunction, nullptr, &struct_sizes, "forward.works"},
    {"plan.bytes",
     "plan gives an estimate from shapes alone that holds together, or HN_UNSUPPORTED.",
     Scope::kFunction, nullptr, &plan, "open.works"},
};

}  // namespace

std::span<const Check> slot_checks() { return kChecks; }

}  // namespace hn::validate
