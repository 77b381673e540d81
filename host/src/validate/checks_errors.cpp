// Mistakes of the caller: each is refused with a code and a text, nothing is written past a buffer,
// and the function works on.
#include <algorithm>
#include <functional>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

// Runs forward with a call that edit spoiled, and expects a refusal that leaves no saved behind.
void refused(Context& c, const std::string& what, const std::function<void(Case&, hn_call&)>& edit,
             const std::vector<hn_status>& codes = {HN_INVALID_ARGUMENT, HN_UNSUPPORTED}) {
  Fn& fn = c.fn();
  Case one(fn, {});
  hn_call call = one.call(fn.differentiable());
  edit(one, call);
  ErrorBuffer error;
  const hn_status status = one.try_forward(call, error);
  expect_refused(status, error, what, codes);
  expect(!one.has_saved(), what + ": refused, but *saved is not NULL");
  const auto hit = one.damage();
  expect(!hit, what + ": refused, but " + hit.value_or(""));
}

// The function still works after the refusals.
void works_on(Context& c) {
  Case one(c.fn(), {});
  one.forward(false);
}

void wrong_shapes(Context& c) {
  Fn& fn = c.fn();
  for (std::size_t i = 0; i < fn.inputs().size();
       i += std::max<std::size_t>(1, fn.inputs().size() / 8)) {
    const std::string name = "input " + fn.inputs()[i].name;
    refused(c, name + " with a dimension less",
            [&](Case& one, hn_call&) { one.in(i).edit().ndim -= 1; });
    if (!fn.inputs()[i].is(HN_SLOT_OPTIONAL))
      refused(c, name + " missing",
              [&](Case&, hn_call& call) { const_cast<const DLTensor**>(call.in)[i] = nullptr; });
    for (std::size_t d = 0; d < fn.inputs()[i].shape.size(); ++d) {
      if (fn.inputs()[i].shape[d] == HN_DIM_ANY) continue;
      // A smaller size, so that a plugin that does not look stays inside the buffer.
      refused(c, name + " with another size in dimension " + std::to_string(d),
              [&](Case& one, hn_call&) { one.in(i).edit().shape[d] -= 1; });
    }
  }
  for (std::size_t k = 0; k < fn.outputs().size(); ++k) {
    const std::string name = "output " + fn.outputs()[k].name;
    refused(c, name + " with a dimension less",
            [&](Case& one, hn_call&) { one.out(k).edit().ndim -= 1; });
    refused(c, name + " with a smaller batch",
            [&](Case& one, hn_call&) { one.out(k).edit().shape[0] -= 1; });
    refused(c, name + " with a larger batch",
            [&](Case& one, hn_call&) { one.out(k).edit().shape[0] += 1; });
  }
  works_on(c);
}

void wrong_dtypes(Context& c) {
  Fn& fn = c.fn();
  constexpr DLDataType kHalf{kDLFloat, 16, 1}, kInts{kDLInt, 32, 1}, kLanes{kDLFloat, 32, 4};
  for (const DLDataType type : {kHalf, kInts, kLanes}) {
    refused(c, "input " + fn.inputs()[0].name + " of another dtype",
            [&](Case& one, hn_call&) { one.in(0).edit().dtype = type; });
    refused(c, "output " + fn.outputs()[0].name + " of another dtype",
            [&](Case& one, hn_call&) { one.out(0).edit().dtype = type; });
  }
  works_on(c);
}

void wrong_counts(Context& c) {
  Fn& fn = c.fn();
  refused(c, "no inputs", [](Case&, hn_call& call) { call.n_in = 0; });
  std::vector<const DLTensor*> more;
  refused(c, "one input too many", [&](Case& one, hn_call& call) {
    more.assign(call.in, call.in + call.n_in);
    more.push_back(one.in(0).view());
    call.in = more.data();
    call.n_in = more.size();
    call.need_grad = nullptr;
  });
  std::vector<const DLTensor*> more_out;
  refused(c, "one output too many", [&](Case& one, hn_call& call) {
    more_out.assign(call.out, call.out + call.n_out);
    more_out.push_back(one.out(0).view());
    call.out = more_out.data();
    call.n_out = more_out.size();
  });
  if (fn.needs_cond()) {
    refused(c, "no prompts", [](Case&, hn_call& call) { call.n_cond = 0; });
    std::vector<const hn_cond*> none;
    refused(c, "a NULL prompt handle", [&](Case&, hn_call& call) {
      none.assign(call.n_cond, nullptr);
      call.cond = none.data();
    });
    Prompts three(c.instance(), {prompt_text(0), prompt_text(1), prompt_text(2)});
    refused(c, "3 prompts for 2 samples", [&](Case&, hn_call& call) {
      call.cond = three.handles().data();
      call.n_cond = 3;
    });
  }
  works_on(c);
}

void unknown_flags(Context& c) {
  Fn& fn = c.fn();
  refused(c, "an unknown call flag", [](Case&, hn_call& call) { call.flags |= 1u << 12; },
          {HN_UNSUPPORTED});
  works_on(c);
  if (!fn.differentiable()) return;
  Case one(fn, {});
  one.forward(true);
  hn_vjp vjp = cpu_vjp();
  vjp.flags = 1u << 12;
  ErrorBuffer error;
  expect_refused(fn.table().backward(fn.get(), one.saved(), &vjp, error.get()), error,
                 "an unknown vjp flag", {HN_UNSUPPORTED});
  one.backward(one.cotangents(1));
}

void no_saved(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  const hn_call call = one.call(true);
  ErrorBuffer error;
  expect_refused(fn.table().forward(fn.get(), &call, nullptr, error.get()), error,
                 "HN_CALL_WANT_GRAD with saved = NULL");
  const hn_vjp vjp = cpu_vjp();
  ErrorBuffer backward_error;
  expect_refused(fn.table().backward(fn.get(), nullptr, &vjp, backward_error.get()), backward_error,
                 "backward with saved = NULL");
  works_on(c);
}

void wrong_gradients(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.forward(true);
  const AllValues cotangents = one.cotangents(1);
  std::size_t slot = 0, output = 0;
  while (one.need_grad()[slot] == 0) ++slot;
  while (!cotangents[output]) ++output;
  const auto backward = [&](const std::string& what,
                            const std::function<void(DLTensor&, DLTensor&, hn_vjp&)>& edit) {
    Buffer cotangent(one.out(output).shape()), grad(one.in(slot).shape());
    cotangent.write(*cotangents[output]);
    Views cotangent_views(fn.outputs().size()), grad_views(fn.inputs().size() + 1);
    cotangent_views[output] = cotangent.view();
    grad_views[slot] = grad.view();
    hn_vjp vjp = cpu_vjp(cotangent_views, grad_views);
    vjp.n_in = fn.inputs().size();
    edit(cotangent.edit(), grad.edit(), vjp);
    ErrorBuffer error;
    expect_refused(fn.table().backward(fn.get(), one.saved(), &vjp, error.get()), error, what,
                   {HN_INVALID_ARGUMENT, HN_UNSUPPORTED});
  };
  backward("a gradient with a dimension less",
           [](DLTensor&, DLTensor& g, hn_vjp&) { g.ndim -= 1; });
  backward("a gradient of another size", [](DLTensor&, DLTensor& g, hn_vjp&) { g.shape[0] -= 1; });
  backward("a gradient of another dtype",
           [](DLTensor&, DLTensor& g, hn_vjp&) { g.dtype.bits = 16; });
  backward("a cotangent with a dimension less",
           [](DLTensor& t, DLTensor&, hn_vjp&) { t.ndim -= 1; });
  backward("a cotangent of another size", [](DLTensor& t, DLTensor&, hn_vjp&) { t.shape[0] -= 1; });
  backward("a cotangent of another dtype",
           [](DLTensor& t, DLTensor&, hn_vjp&) { t.dtype.bits = 16; });
  backward("one gradient too many", [](DLTensor&, DLTensor&, hn_vjp& vjp) { vjp.n_in += 1; });
  // After all that, the saved state still serves.
  one.backward(cotangents);
}

void score_only(Context& c) {
  Fn& fn = c.fn();
  Case one(fn, {});
  one.need_grad().assign(one.need_grad().size(), 1);
  hn_call call = one.call(true);
  ErrorBuffer error;
  expect_refused(one.try_forward(call, error), error, "need_grad of a score-only function");
  expect(!one.has_saved(), "need_grad of a score-only function: refused, but *saved is not NULL");
  works_on(c);
}

constexpr Check kChecks[] = {
    {"errors.shapes", "Wrong shapes and absent tensors are refused with a code and a text.",
     Scope::kFunction, nullptr, &wrong_shapes, "forward.works"},
    {"errors.dtypes", "Wrong dtypes are refused with a code and a text.", Scope::kFunction, nullptr,
     &wrong_dtypes, "forward.works"},
    {"errors.counts", "Wrong numbers of tensors and prompts are refused with a code and a text.",
     Scope::kFunction, nullptr, &wrong_counts, "forward.works"},
    {"errors.flags", "An unknown flag is HN_UNSUPPORTED: it may change what the call means.",
     Scope::kFunction, nullptr, &unknown_flags, "forward.works"},
    {"errors.saved", "A missing place for saved, and a missing saved, are refused.",
     Scope::kFunction, &needs_gradient, &no_saved, "backward.works"},
    {"errors.gradients",
     "Wrong gradients and cotangents are refused, and the saved state still serves.",
     Scope::kFunction, &needs_gradient, &wrong_gradients, "backward.works"},
    {"errors.score_only", "A function without differentiable inputs refuses need_grad.",
     Scope::kFunction,
     [](Context& c) {
       return c.fn().differentiable() ? std::string("the function is differentiable")
                                      : std::string();
     },
     &score_only, "forward.works"},
};

}  // namespace

std::span<const Check> error_checks() { return kChecks; }

}  // namespace hn::validate
