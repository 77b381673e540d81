// A small differentiable function behind the C table, and calls of it with tensors of LibTorch.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <hn/cpp/tables.hpp>
#include <hn/torch/function.hpp>

namespace hn::test {

// y = tanh(x W) summed over a softmax, plus a second output; x [B,6,4], w [4,5].
inline std::vector<at::Tensor> direct(const at::Tensor& x, const at::Tensor& w) {
  const at::Tensor h = at::tanh(at::matmul(x, w));
  return {at::softmax(h, -1).mul(h).sum(-1), h.square().mean({1, 2})};
}

class Small final : public TorchFunction {
 public:
  Small() {
    inputs_ = {{"x", "noise", {HN_DIM_BATCH, 6, 4}, HN_SLOT_DIFF},
               {"w", "lora_a", {4, 5}, HN_SLOT_DIFF | HN_SLOT_PARAM},
               {"extra", "step_noise", {HN_DIM_BATCH}, HN_SLOT_OPTIONAL}};
    outputs_ = {{"y", "offset", {HN_DIM_BATCH, 6}, HN_SLOT_DIFF},
                {"z", "column", {HN_DIM_BATCH}, HN_SLOT_DIFF | HN_SLOT_OPTIONAL}};
  }
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const Call&) override {
    return direct(in[0], in[1]);
  }
};

// Owns a Function and its saved state, and calls them through hn::tables::kFn as a host would.
class Caller {
 public:
  explicit Caller(Function& fn) : fn_(reinterpret_cast<hn_fn*>(&fn)) {}
  ~Caller() { release(); }

  hn_status forward(const std::vector<at::Tensor>& in, const std::vector<at::Tensor>& out,
                    std::vector<std::uint8_t> need, std::uint32_t flags = HN_CALL_WANT_GRAD) {
    release();
    in_ = in;
    out_ = out;
    const auto in_views = views(in_), out_views = views(out_);
    hn_call call{};
    call.struct_size = sizeof call;
    call.flags = flags;
    call.stream = {kDLCPU, 0, 0};
    call.in = in_views.pointers.data();
    call.n_in = in_views.pointers.size();
    call.out = out_views.pointers.data();
    call.n_out = out_views.pointers.size();
    call.need_grad = need.data();
    return tables::kFn.forward(fn_, &call, &saved_, error.get());
  }
  hn_status backward(const std::vector<at::Tensor>& cotangent, const std::vector<at::Tensor>& grad,
                     std::vector<std::uint8_t> accumulate = {}) {
    const auto cotangent_views = views(cotangent), grad_views = views(grad);
    hn_vjp vjp{};
    vjp.struct_size = sizeof vjp;
    vjp.stream = {kDLCPU, 0, 0};
    vjp.cotangent = cotangent_views.pointers.data();
    vjp.n_out = cotangent_views.pointers.size();
    vjp.grad = grad_views.pointers.data();
    vjp.n_in = grad_views.pointers.size();
    vjp.accumulate = accumulate.empty() ? nullptr : accumulate.data();
    return tables::kFn.backward(fn_, saved_, &vjp, error.get());
  }
  void release() {
    if (saved_ != nullptr) tables::kFn.saved_release(fn_, saved_, {kDLCPU, 0, 0});
    saved_ = nullptr;
  }

  ErrorBuffer error;

 private:
  struct Views {
    std::vector<DLTensor> tensors;
    std::vector<const DLTensor*> pointers;
  };
  static Views views(const std::vector<at::Tensor>& tensors) {
    Views v;
    v.tensors.reserve(tensors.size());
    for (const at::Tensor& t : tensors) {
      if (!t.defined()) {
        v.pointers.push_back(nullptr);
        continue;
      }
      v.tensors.push_back(borrow(t));
      v.pointers.push_back(&v.tensors.back());
    }
    return v;
  }

  hn_fn* fn_;
  hn_saved* saved_ = nullptr;
  std::vector<at::Tensor> in_, out_;
};

// Inputs, cotangents, and what LibTorch itself says.
struct Reference {
  at::Tensor x, w, cy, cz;
  std::vector<at::Tensor> out, grads;

  explicit Reference(std::int64_t batch = 3) {
    auto generator = at::detail::createCPUGenerator(7);
    const auto draw = [&](at::IntArrayRef shape) { return at::randn(shape, generator); };
    x = draw({batch, 6, 4});
    w = draw({4, 5});
    cy = draw({batch, 6});
    cz = draw({batch});
    const c10::AutoGradMode grad_mode(true);
    const at::Tensor xl = x.clone().set_requires_grad(true), wl = w.clone().set_requires_grad(true);
    out = direct(xl, wl);
    grads = torch::autograd::grad(out, {xl, wl}, {cy, cz});
    for (at::Tensor& t : out) t = t.detach();
  }
};

}  // namespace hn::test
