// What the LibTorch layer adds to a differentiable forward and backward, against the same
// mathematics called directly. One thread, and a small picture too, so that the arithmetic does not
// hide the cost.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <hn/cpp/tables.hpp>
#include <hn/torch/function.hpp>

namespace {

at::Tensor mathematics(const at::Tensor& image) { return image.square().mean({1, 2, 3}); }

class Score final : public hn::TorchFunction {
 public:
  Score() {
    inputs_ = {
        {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
  }
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const hn::Call&) override {
    return {mathematics(in[0])};
  }
};

// One pair through the C table, as a host calls it.
struct Crossing {
  Score score;
  hn_fn* fn = reinterpret_cast<hn_fn*>(static_cast<hn::Function*>(&score));

  hn_saved* forward(const at::Tensor& image, const at::Tensor& out, bool grad) {
    const DLTensor image_view = hn::borrow(image), out_view = hn::borrow(out);
    const DLTensor* in[] = {&image_view};
    const DLTensor* outs[] = {&out_view};
    const std::uint8_t need[] = {1};
    hn_call call{};
    call.struct_size = sizeof call;
    call.flags = grad ? HN_CALL_WANT_GRAD : 0;
    call.stream = {kDLCPU, 0, 0};
    call.in = in;
    call.n_in = 1;
    call.out = outs;
    call.n_out = 1;
    call.need_grad = grad ? need : nullptr;
    hn_saved* saved = nullptr;
    hn::ErrorBuffer error;
    hn::check(hn::tables::kFn.forward(fn, &call, &saved, error.get()), error);
    return saved;
  }
  void backward(hn_saved* saved, const at::Tensor& cotangent, const at::Tensor& grad) {
    const DLTensor cotangent_view = hn::borrow(cotangent), grad_view = hn::borrow(grad);
    const DLTensor* cotangents[] = {&cotangent_view};
    const DLTensor* grads[] = {&grad_view};
    hn_vjp vjp{};
    vjp.struct_size = sizeof vjp;
    vjp.stream = {kDLCPU, 0, 0};
    vjp.cotangent = cotangents;
    vjp.n_out = 1;
    vjp.grad = grads;
    vjp.n_in = 1;
    hn::ErrorBuffer error;
    hn::check(hn::tables::kFn.backward(fn, saved, &vjp, error.get()), error);
    hn::tables::kFn.saved_release(fn, saved, {kDLCPU, 0, 0});
  }
};

at::Tensor picture(const benchmark::State& state) {
  return at::rand({1, 3, state.range(0), state.range(0)});
}

void torch_forward_direct(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor image = picture(state);
  const c10::NoGradGuard no_grad;
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(mathematics(image));
}

void torch_forward_abi(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor image = picture(state), out = at::empty({1});
  Crossing crossing;
  for ([[maybe_unused]] auto _ : state) crossing.forward(image, out, false);
}

void torch_pair_direct(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor image = picture(state), cotangent = at::ones({1}), grad = at::empty_like(image);
  for ([[maybe_unused]] auto _ : state) {
    const at::Tensor leaf = image.detach().set_requires_grad(true);
    grad.copy_(torch::autograd::grad({mathematics(leaf)}, {leaf}, {cotangent})[0]);
  }
}

void torch_pair_abi(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor image = picture(state), cotangent = at::ones({1}), grad = at::empty_like(image),
                   out = at::empty({1});
  Crossing crossing;
  for ([[maybe_unused]] auto _ : state)
    crossing.backward(crossing.forward(image, out, true), cotangent, grad);
}

BENCHMARK(torch_forward_direct)->Arg(1)->Arg(64);
BENCHMARK(torch_forward_abi)->Arg(1)->Arg(64);
BENCHMARK(torch_pair_direct)->Arg(1)->Arg(64);
BENCHMARK(torch_pair_abi)->Arg(1)->Arg(64);

}  // namespace
