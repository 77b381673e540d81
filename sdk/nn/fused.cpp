#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <hn/nn/fused.hpp>
#include <hn/nn/ops.hpp>

#include "nn/fused_kernels.hpp"

namespace hn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 16384;  // numbers a thread should have at least

bool plain(const at::Tensor& x) {
  return !x.defined() || (x.device().is_cpu() && x.scalar_type() == at::kFloat);
}
bool frozen(const at::Tensor& w) {
  return !w.defined() || !(w.requires_grad() && c10::GradMode::is_enabled());
}
const float* data(const at::Tensor& x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; }

std::optional<at::Tensor> given(const at::Tensor& x) {
  return x.defined() ? std::optional(x) : std::nullopt;
}

// f(begin, end) over rows of `numbers` each.
template <class F>
void over_rows(std::int64_t rows, std::int64_t numbers, const F& f) {
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, numbers)),
                   f);
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  using Optional = std::optional<at::Tensor>;  // Function::apply takes no undefined tensors

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const Optional& given_weight, const Optional& given_bias,
                            const Optional& residual, double eps) {
    const auto weight = given_weight.value_or(at::Tensor()),
               bias = given_bias.value_or(at::Tensor());
    const auto x = input.contiguous(), added = residual ? residual->contiguous() : at::Tensor();
    const std::int64_t c = x.size(-1), rows = x.numel() / std::max<std::int64_t>(1, c);
    auto y = at::empty_like(x);
    auto rstd = at::empty({rows}, x.options());
    const float *in = data(x), *w = data(weight), *b = data(bias), *more = data(added);
    auto *out = y.mutable_data_ptr<float>(), *r = rstd.mutable_data_ptr<float>();
    over_rows(rows, c, [&](std::int64_t begin, std::int64_t end) {
      kernels::best().rms_norm(in, w, b, more, out, r, c, static_cast<float>(eps), begin, end);
    });
    context->save_for_backward({x, weight, rstd});
    context->saved_data["residual"] = residual.has_value();
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto gy = grads[0].contiguous();
    const std::int64_t c = x.size(-1);
    at::Tensor gx;
    if (context->needs_input_grad(0)) {
      gx = at::empty_like(x);
      const float *in = data(x), *w = data(saved[1]), *r = data(saved[2]), *g = data(gy);
      auto* out = gx.mutable_data_ptr<float>();
      over_rows(saved[2].numel(), c, [&](std::int64_t begin, std::int64_t end) {
        kernels::best().rms_norm_backward(in, w, r, g, out, c, begin, end);
      });
    }
    return {gx, {}, {}, context->saved_data["residual"].toBool() ? grads[0] : at::Tensor(), {}};
  }
};

struct GatedSilu : torch::autograd::Function<GatedSilu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input) {
    const auto x = input.contiguous();
    auto shape = x.sizes().vec();
    const std::int64_t c = shape.back() /= 2;
    auto y = at::empty(shape, x.options());
    const float* in = data(x);
    auto* out = y.mutable_data_ptr<float>();
    over_rows(x.numel() / std::max<std::int64_t>(1, 2 * c), 2 * c,
              [&](std::int64_t begin, std::int64_t end) {
                kernels::best().gated_silu(in, out, c, begin, end);
              });
    context->save_for_backward({x});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto x = context->get_saved_variables()[0];
    const auto gy = grads[0].contiguous();
    const std::int64_t c = x.size(-1) / 2;
    auto gx = at::empty_like(x);
    const float *in = data(x), *g = data(gy);
    auto* out = gx.mutable_data_ptr<float>();
    over_rows(x.numel() / std::max<std::int64_t>(1, 2 * c), 2 * c,
              [&](std::int64_t begin, std::int64_t end) {
                kernels::best().gated_silu_backward(in, g, out, c, begin, end);
              });
    return {gx};
  }
};

// The last dimension must be dense for the kernels.
at::Tensor dense_rows(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

kernels::Head head_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t b,
                      std::int64_t h, float eps) {
  const auto place = [&](const at::Tensor& x) {
    return data(x) + b * x.stride(0) + h * x.stride(2);
  };
  return {place(q),    place(k),  place(v),  q.stride(1), k.stride(1),
          v.stride(1), q.size(1), q.size(3), eps};
}

// f(head number, scratch) for each head of the batch.
template <class F>
void over_heads(const at::Tensor& q, const F& f) {
  const std::int64_t n = q.size(1), heads = q.size(2), d = q.size(3);
  over_rows(q.size(0) * heads, 2 * n * d * d, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(static_cast<std::size_t>(kernels::scratch_size(n, d)));
    for (std::int64_t i = begin; i < end; ++i) f(i / heads, i % heads, scratch.data());
  });
}

struct LinearAttention : torch::autograd::Function<LinearAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q0, const at::Tensor& k0,
                            const at::Tensor& v0, double eps) {
    const auto q = dense_rows(q0), k = dense_rows(k0), v = dense_rows(v0);
    auto y = at::empty(q.sizes(), q.options());
    auto* out = y.mutable_data_ptr<float>();
    over_heads(q, [&](std::int64_t b, std::int64_t h, float* scratch) {
      kernels::best().linear_attention(head_of(q, k, v, b, h, static_cast<float>(eps)),
                                       out + b * y.stride(0) + h * y.stride(2), y.stride(1),
                                       scratch);
    });
    context->save_for_backward({q, k, v});
    context->saved_data["eps"] = eps;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2];
    const auto eps = static_cast<float>(context->saved_data["eps"].toDouble());
    const auto gy = dense_rows(grads[0]);
    // One block for the three, so that a joined q|k|v gets its gradient in one piece of memory
    // each.
    auto all = at::empty({3, q.size(0), q.size(1), q.size(2), q.size(3)}, q.options());
    const auto parts = all.unbind(0);
    auto* base = all.mutable_data_ptr<float>();
    over_heads(q, [&](std::int64_t b, std::int64_t h, float* scratch) {
      float* g = base + b * parts[0].stride(0) + h * parts[0].stride(2);
      const std::int64_t part = all.stride(0);
      kernels::best().linear_attention_backward(
          head_of(q, k, v, b, h, eps), data(gy) + b * gy.stride(0) + h * gy.stride(2), gy.stride(1),
          {g, g + part, g + 2 * part, parts[0].stride(1)}, scratch);
    });
    return {parts[0], parts[1], parts[2], {}};
  }
};

}  // namespace

at::Tensor fused_rms_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double eps, const at::Tensor& residual) {
  if (plain(x) && plain(weight) && plain(bias) && plain(residual) && frozen(weight) && frozen(bias))
    return RmsNorm::apply(x, given(weight), given(bias), given(residual), eps);
  const auto y = rms_norm(x, weight, bias, eps);
  return residual.defined() ? y + residual : y;
}

at::Tensor fused_gated_silu(const at::Tensor& x) {
  if (plain(x)) return GatedSilu::apply(x);
  const auto parts = x.chunk(2, -1);
  return parts[0] * at::silu(parts[1]);
}

at::Tensor fused_relu_linear_attention(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, double eps) {
  if (plain(q) && plain(k) && plain(v)) return LinearAttention::apply(q, k, v, eps);
  const auto wide = accumulate_type(q.scalar_type());
  const auto positive_q = at::relu(q.transpose(1, 2)).to(wide),
             positive_k = at::relu(k.transpose(1, 2)).to(wide);
  const auto summary = at::matmul(positive_k.transpose(-2, -1), v.transpose(1, 2).to(wide));
  const auto weight = at::matmul(positive_q, positive_k.sum(-2).unsqueeze(-1));
  return (at::matmul(positive_q, summary) / (weight + eps)).transpose(1, 2);
}

}  // namespace hn
