// A function with the tensors of its next call side by side, so that a loop only swaps what
// changes.
#pragma once

#include <vector>

#include "core/adapter.hpp"
#include "core/function_client.hpp"

namespace hn::core {

struct BoundFunction {
  explicit BoundFunction(FunctionClient& client)
      : fn(&client),
        in(client.inputs().size()),
        grad(client.inputs().size()),
        out(client.outputs().size()),
        cotangent(client.outputs().size()),
        need_grad(client.inputs().size(), 0),
        accumulate(client.inputs().size(), 0) {}

  // Puts the adapter's matrices into the parameter slots; with gradients also asks for theirs.
  void bind(const Adapter& adapter, bool gradients) {
    for (const Adapter::Matrix& matrix : adapter.matrices()) {
      in[matrix.input] = matrix.value;
      if (!gradients) continue;
      grad[matrix.input] = matrix.gradient;
      need_grad[matrix.input] = 1;
    }
  }

  Saved forward(std::span<const hn_cond* const> cond, bool keep) {
    return fn->forward(call(cond, keep));
  }
  FunctionClient::Call call(std::span<const hn_cond* const> cond, bool keep) const {
    FunctionClient::Call c{in, out, cond, {}, rng_seed, rng_offset, 0};
    if (keep) c.need_grad = need_grad;
    if (keep) c.saved_budget = saved_budget;
    return c;
  }
  // add: to the gradients that are there, instead of overwriting them.
  void backward(const Saved& saved, bool add) {
    if (add) accumulate.assign(accumulate.size(), 1);
    fn->backward(saved, cotangent, grad,
                 add ? std::span<const std::uint8_t>(accumulate) : std::span<const std::uint8_t>());
  }

  FunctionClient* fn;
  std::vector<at::Tensor> in, grad, out, cotangent;
  std::vector<std::uint8_t> need_grad, accumulate;
  std::uint64_t rng_seed = 0, rng_offset = 0;  // for what the function itself draws
  std::uint64_t saved_budget = 0;              // of calls that keep; 0 = no limit
};

}  // namespace hn::core
