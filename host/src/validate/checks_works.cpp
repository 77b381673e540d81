// The roots: that the plugin can be created, its functions opened and called, its prompts encoded,
// its gradients asked for. What needs one of these is not run where it fails.
#include "validate/check.hpp"

namespace hn::validate {
namespace {

void creates(Context& c) {
  const Instance instance(c.entry(), c.subject().options);
  expect(instance.get() != nullptr, "create");
  instance.fn();  // or it is no plugin of version 1
}

void opens(Context& c) { c.fn(); }

void encodes(Context& c) { Prompts(c.instance(), {prompt_text(0)}); }

void goes_forward(Context& c) { Case(c.fn(), {}).forward(false); }

void goes_backward(Context& c) {
  Case one(c.fn(), {});
  one.forward(true);
  one.backward(one.cotangents(1));
}

constexpr Check kChecks[] = {
    {"create.works", "With the options of its manifest the plugin can be created, and has hn.fn/1.",
     Scope::kPlugin, nullptr, &creates, "entry.loads"},
    {"open.works", "The function opens, and says what it takes and gives.", Scope::kFunction,
     nullptr, &opens, "create.works"},
    {"cond.works", "A prompt can be encoded and released.", Scope::kPlugin, &needs_prompts,
     &encodes, "create.works"},
    {"forward.works", "A call of two samples without gradients gives HN_OK.", Scope::kFunction,
     nullptr, &goes_forward, "open.works"},
    {"backward.works", "A call with gradients and its backward give HN_OK.", Scope::kFunction,
     &needs_gradient, &goes_backward, "forward.works"},
};

}  // namespace

std::span<const Check> works_checks() { return kChecks; }

}  // namespace hn::validate
