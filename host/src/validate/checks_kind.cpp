// What generators and rewards promise beyond hn.fn/1: randomness from the seed alone, a noise
// network that starts at zero, pictures in [0,1].
#include <algorithm>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

std::vector<Values> outputs_with_seed(Fn& fn, std::uint64_t seed, std::uint64_t offset) {
  Case one(fn, {.optional_inputs = false});
  hn_call call = one.call(false);
  call.rng_seed = seed;
  call.rng_offset = offset;
  ErrorBuffer error;
  expect_ok(one.try_forward(call, error), error, "forward");
  return one.outputs();
}

bool equal(const std::vector<Values>& a, const std::vector<Values>& b) {
  for (std::size_t k = 0; k < a.size(); ++k)
    if (!same_bits(a[k], b[k])) return false;
  return true;
}

void randomness(Context& c) {
  Fn& fn = c.fn();
  const auto first = outputs_with_seed(fn, 1, 0);
  const auto other_seed = outputs_with_seed(fn, 2, 0),
             other_offset = outputs_with_seed(fn, 1, 1u << 20);
  expect(equal(outputs_with_seed(fn, 1, 0), first),
         "the same rng_seed and rng_offset gave another result");
  if (!fn.random()) {
    expect(equal(other_seed, first) && equal(other_offset, first),
           "the result depends on rng_seed or rng_offset, but HN_FN_RANDOM is not set");
    return;
  }
  expect(!equal(other_seed, first), "HN_FN_RANDOM is set, but rng_seed makes no difference");
  expect(!equal(other_offset, first), "HN_FN_RANDOM is set, but rng_offset makes no difference");
}

void starts_at_zero(Context& c) {
  Fn& fn = c.fn();
  bool any = false;
  for (const Slot& slot : fn.inputs()) any = any || slot.semantic == "lora_b";
  if (!any) throw Skip("opened without adapters (option lora.rank)");
  Case zero(fn, {.zero_lora_b = true});
  zero.forward(true);
  const Values offset = zero.outputs()[0];
  expect_close(offset, Values(offset.size(), 0.0f), 0, "the offset at lora_B = 0");
  // Zero, and yet trainable: the gradient of lora_B is not.
  const AllValues grads = zero.backward(zero.cotangents(1));
  double largest = 0;
  for (std::size_t i = 0; i < grads.size(); ++i)
    if (grads[i] && fn.inputs()[i].semantic == "lora_b")
      largest = std::max(largest, norm(*grads[i]));
  expect(largest > 0,
         "at lora_B = 0 every gradient of lora_B is zero: the noise network could not learn");
  Case other(fn, {});
  other.forward(false);
  expect(norm(other.outputs()[0]) > 0, "the offset is zero for adapters that are not");
}

void picture_range(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(false);
  for (std::size_t k = 0; k < fn.outputs().size(); ++k) {
    if (fn.outputs()[k].semantic != "image_rgb01") continue;
    const Values values = one.outputs()[k];
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    expect(*low >= 0.0f && *high <= 1.0f, "image_rgb01: expected values in [0,1], got " +
                                              std::to_string(*low) + " to " +
                                              std::to_string(*high));
  }
}

std::string only(Context& c, const char* function) {
  return c.function() == function ? std::string() : std::string("about ") + function;
}

constexpr Check kChecks[] = {
    {"random.seed", "All randomness comes from rng_seed and rng_offset.", Scope::kFunction, nullptr,
     &randomness, "forward.works"},
    {"noise_net.starts_at_zero",
     "With lora_B = 0 the offset is exactly zero, and lora_B has a gradient.", Scope::kFunction,
     [](Context& c) { return only(c, "noise_net"); }, &starts_at_zero, "backward.works"},
    {"generate.range", "Pictures lie in [0,1].", Scope::kFunction,
     [](Context& c) { return only(c, "generate"); }, &picture_range, "forward.works"},
};

}  // namespace

std::span<const Check> kind_checks() { return kChecks; }

}  // namespace hn::validate
