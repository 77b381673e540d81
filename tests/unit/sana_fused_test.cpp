// The fused CPU blocks against their composed forms in float64, forward and gradient, for each
// compiled instruction set's loops.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <hn/nn/fused.hpp>

#include "nn/fused_kernels.hpp"

namespace {

using Function = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

std::vector<at::Tensor> random(const std::vector<std::vector<std::int64_t>>& shapes) {
  auto generator = at::detail::createCPUGenerator(1);
  std::vector<at::Tensor> all;
  for (const auto& shape : shapes)
    all.push_back(at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)));
  return all;
}

// The float32 path must agree with the float64 one, which is composed of LibTorch's operations.
void compare(const Function& f, const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> results[2];
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> in;
    for (const auto& x : inputs) in.push_back(x.to(dtype).detach().requires_grad_(true));
    const auto y = f(in);
    const auto cotangent =
        (at::arange(y.numel(), at::kDouble) * 0.7).sin().to(at::kFloat).to(dtype).view(y.sizes());
    auto all = torch::autograd::grad({y}, in, {cotangent}, {}, false, true);
    all.insert(all.begin(), y.detach());
    results[dtype == at::kDouble] = all;
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    ASSERT_TRUE(results[0][i].defined());
    const auto want = results[1][i];
    // Where all gradients cancel (one position, one channel) only rounding is left: hence not
    // below 1.
    const double error =
        ((results[0][i].to(at::kDouble) - want).abs().max() / want.abs().max().clamp_min(1))
            .item<double>();
    EXPECT_LE(error, 5e-6) << (i == 0 ? "value" : "gradient ") << i;
  }
}

TEST(Fused, RmsNorm) {
  for (const std::int64_t c : {1, 5, 16, 37, 256}) {
    const auto constants = random({{c}, {c}});
    compare(
        [&](const auto& in) {
          return hn::fused_rms_norm(in[0], constants[0].to(in[0].scalar_type()),
                                    constants[1].to(in[0].scalar_type()), 1e-5, in[1]);
        },
        random({{3, 7, c}, {3, 7, c}}));
    compare([&](const auto& in) { return hn::fused_rms_norm(in[0], {}, {}, 1e-5); },
            random({{4, c}}));
  }
}

TEST(Fused, RmsNormKeepsGradientsOfItsWeights) {
  const auto all = random({{4, 6}, {6}});
  const auto weight = all[1].clone().requires_grad_(true);
  const auto y = hn::fused_rms_norm(all[0], weight, {}, 1e-5);
  const auto g = torch::autograd::grad({y.sum()}, {weight})[0];
  EXPECT_GT(g.abs().max().item<double>(), 0.0);
}

TEST(Fused, GatedSilu) {
  for (const std::int64_t c : {1, 8, 13, 640})
    compare([](const auto& in) { return hn::fused_gated_silu(in[0]); }, random({{2, 3, 2 * c}}));
  const auto far = at::tensor({1.0f, 1.0f, 1.0f, -200.0f, 0.0f, 200.0f}).view({1, 6});
  const auto y = hn::fused_gated_silu(far);
  EXPECT_NEAR(y[0][0].item<double>(), 0.0, 1e-30);
  EXPECT_EQ(y[0][1].item<double>(), 0.0);
  EXPECT_EQ(y[0][2].item<double>(), 200.0);
}

TEST(Fused, LinearAttention) {
  for (const std::int64_t d : {4, 8, 12, 16, 32, 35})
    for (const std::int64_t n : {1, 3, 16, 30})
      // Shifted, so that no query or key is 0 as a whole: there the quotient is 0 / 1e-15, and
      // gradients near it are rounding.
      compare(
          [](const auto& in) {
            return hn::fused_relu_linear_attention(in[0] + 0.5, in[1] + 0.5, in[2]);
          },
          random({{2, n, 3, d}, {2, n, 3, d}, {2, n, 3, d}}));
  // A joined q|k|v, as the autoencoder has it, and one whose last dimension is not dense.
  compare(
      [](const auto& in) {
        const auto parts = in[0].unbind(3);
        return hn::fused_relu_linear_attention(parts[0] + 0.5, parts[1] + 0.5, parts[2]);
      },
      random({{2, 9, 2, 3, 8}}));
  compare(
      [](const auto& in) {
        return hn::fused_relu_linear_attention(in[0].transpose(1, 3) + 0.5,
                                               in[1].transpose(1, 3) + 0.5, in[2].transpose(1, 3));
      },
      random({{2, 8, 2, 5}, {2, 8, 2, 5}, {2, 8, 2, 5}}));
}

TEST(Fused, BaseLoopsAgreeWithTheChosenOnes) {
  const auto& chosen = hn::kernels::best();
  const auto& base = hn::kernels::base::kKernels;
  const std::int64_t n = 6, d = 20;
  const auto all = random({{n, d}, {n, d}, {n, d}, {n, d}});
  std::vector<float> scratch(static_cast<std::size_t>(hn::kernels::scratch_size(n, d)));
  const hn::kernels::Head head{all[0].const_data_ptr<float>(),
                               all[1].const_data_ptr<float>(),
                               all[2].const_data_ptr<float>(),
                               d,
                               d,
                               d,
                               n,
                               d,
                               1e-15f};
  at::Tensor results[2];
  for (const auto* kernels : {&chosen, &base}) {
    auto out = at::zeros({4, n, d});
    auto* p = out.mutable_data_ptr<float>();
    kernels->linear_attention(head, p, d, scratch.data());
    kernels->linear_attention_backward(head, all[3].const_data_ptr<float>(), d,
                                       {p + n * d, p + 2 * n * d, p + 3 * n * d, d},
                                       scratch.data());
    results[kernels == &base] = out;
  }
  EXPECT_LE(((results[0] - results[1]).abs().max() / results[1].abs().max()).item<double>(), 5e-6);
}

}  // namespace
