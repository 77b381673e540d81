// The cosine transform and the low-frequency network's derivatives, in float64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/low_frequency_net.hpp"

namespace hn::core {
namespace {

using Layers = std::vector<LowFrequencyMath::Layer>;

double largest(const at::Tensor& t) { return t.abs().max().item<double>(); }

// Numbers without a pattern, the same every time.
at::Tensor numbers(at::IntArrayRef shape, double seed) {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  const at::Tensor i = at::arange(n, at::kDouble);
  return at::sin(i * i * 0.37 + i * seed + seed).view(shape);
}

TEST(Dct, RowsAreOrthonormal) {
  for (const std::int64_t n : {1, 2, 5, 8, 64, 128})
    for (const std::int64_t k : {std::int64_t{1}, (n + 1) / 2, n}) {
      const at::Tensor rows = dct_rows(k, n, at::kDouble);
      EXPECT_LT(largest(at::matmul(rows, rows.t()) - at::eye(k, at::kDouble)), 1e-14) << n << k;
    }
  const at::Tensor narrow = dct_rows(4, 8, at::kFloat);
  EXPECT_TRUE(at::equal(narrow, dct_rows(8, 8, at::kDouble).narrow(0, 0, 4).to(at::kFloat)));
}

TEST(Dct, IsTheFormula) {
  const at::Tensor x = numbers({1, 1, 3, 5}, 0.7);
  const at::Tensor c = LowFrequencies(3, 3, 5, at::kDouble).coefficients(x);
  for (int u = 0; u < 3; ++u)
    for (int v = 0; v < 3; ++v) {
      double sum = 0;
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 5; ++j)
          sum += x[0][0][i][j].item<double>() * std::cos(std::numbers::pi * (i + 0.5) * u / 3) *
                 std::cos(std::numbers::pi * (j + 0.5) * v / 5);
      sum *= std::sqrt((u == 0 ? 1.0 : 2.0) / 3) * std::sqrt((v == 0 ? 1.0 : 2.0) / 5);
      EXPECT_NEAR(c[0][0][u][v].item<double>(), sum, 1e-14);
    }
}

TEST(Dct, AllFrequenciesAreTheWholePictureAndFewAreAProjection) {
  const at::Tensor x = numbers({2, 3, 6, 6}, 1.3);
  const LowFrequencies all(6, 6, 6, at::kDouble);
  EXPECT_LT(largest(all.pictures(all.coefficients(x)) - x), 1e-14);
  EXPECT_NEAR(all.coefficients(x).square().sum().item<double>(), x.square().sum().item<double>(),
              1e-12);
  const LowFrequencies some(2, 6, 6, at::kDouble);
  const at::Tensor c = numbers({2, 3, 2, 2}, 0.4), low = some.pictures(c);
  EXPECT_LT(largest(some.coefficients(low) - c), 1e-14);
  // <c(x), y> = <x, p(y)>: each is the other's derivative.
  EXPECT_NEAR((some.coefficients(x) * c).sum().item<double>(), (x * low).sum().item<double>(),
              1e-12);
  const at::Tensor rest = all.coefficients(low);
  EXPECT_LT(largest(rest.narrow(2, 2, 4)), 1e-14);
  EXPECT_LT(largest(rest.narrow(3, 2, 4)), 1e-14);
}

struct Case {
  LowFrequencyShape shape;
  Layers layers;
  at::Tensor x0, condition, weights;
  // sum of the delta, weighed.
  double value(const at::Tensor& x) const {
    const LowFrequencyMath math(shape, at::kDouble);
    return (math.forward(x, condition, layers, nullptr) * weights).sum().item<double>();
  }
};

Case made(const LowFrequencyShape& shape) {
  Case c{shape,
         {},
         numbers({3, shape.channels, shape.height, shape.width}, 0.3),
         {},
         numbers({3, shape.channels, shape.height, shape.width}, 2.1)};
  if (shape.condition > 0) c.condition = numbers({3, shape.condition}, 1.9);
  const auto parameters = low_frequency_parameters(shape);
  for (std::size_t i = 0; i < parameters.size(); i += 2)
    c.layers.push_back({numbers(parameters[i].shape, 0.9 + static_cast<double>(i)) * 0.4,
                        numbers(parameters[i + 1].shape, 0.2 + static_cast<double>(i))});
  return c;
}

// Every number of `of` moved up and down.
void expect_derivative(const at::Tensor& of, const at::Tensor& got,
                       const std::function<double()>& value) {
  const at::Tensor flat = of.view(-1), want = at::zeros_like(of).view(-1);
  constexpr double kStep = 1e-5;
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    const double at_rest = flat[i].item<double>();
    flat[i].fill_(at_rest + kStep);
    const double up = value();
    flat[i].fill_(at_rest - kStep);
    const double down = value();
    flat[i].fill_(at_rest);
    want[i].fill_((up - down) / (2 * kStep));
  }
  EXPECT_GT(largest(want), 1e-3) << "the test would see nothing";
  EXPECT_LT(largest(got.reshape(-1) - want), 1e-8 * (1 + largest(want)));
}

TEST(LowFrequencyMath, GradientsAreFiniteDifferences) {
  const LowFrequencyShape shapes[] = {
      {2, 4, 6, 3, 5, 2, 3}, {2, 4, 4, 2, 4, 1, 0}, {1, 3, 3, 3, 7, 3, 2}, {3, 5, 4, 2, 9, 0, 4}};
  for (const LowFrequencyShape& shape : shapes) {
    const Case c = made(shape);
    const LowFrequencyMath math(shape, at::kDouble);
    LowFrequencyMath::Kept kept;
    const at::Tensor delta = math.forward(c.x0, c.condition, c.layers, &kept);
    EXPECT_EQ(delta.sizes(), c.x0.sizes());
    Layers gradients;
    for (const auto& layer : c.layers)
      gradients.push_back({at::zeros_like(layer.weight), at::zeros_like(layer.bias)});
    const at::Tensor x0_grad = math.backward(kept, c.weights, c.layers, gradients, false, true);
    const auto value = [&] { return c.value(c.x0); };
    expect_derivative(c.x0, x0_grad, value);
    for (std::size_t l = 0; l < c.layers.size(); ++l) {
      expect_derivative(c.layers[l].weight, gradients[l].weight, value);
      expect_derivative(c.layers[l].bias, gradients[l].bias, value);
    }
    // Added to what is there, and nothing but what is wanted.
    const at::Tensor once = gradients[0].weight.clone();
    EXPECT_FALSE(math.backward(kept, c.weights, c.layers, gradients, true, false).defined());
    EXPECT_LT(largest(gradients[0].weight - 2 * once), 1e-12 * (1 + largest(once)));
    math.backward(kept, c.weights, c.layers, {}, false, true);
    EXPECT_LT(largest(gradients[0].weight - 2 * once), 1e-12 * (1 + largest(once)));
  }
}

TEST(LowFrequencyMath, MovesLowFrequenciesAlone) {
  const Case c = made({2, 8, 8, 3, 6, 2, 0});
  const LowFrequencyMath math(c.shape, at::kDouble);
  const at::Tensor delta = math.forward(c.x0, {}, c.layers, nullptr);
  EXPECT_GT(largest(delta), 0.01);
  const at::Tensor all = LowFrequencies(8, 8, 8, at::kDouble).coefficients(delta);
  EXPECT_LT(largest(all.narrow(2, 3, 5)), 1e-13);
  EXPECT_LT(largest(all.narrow(3, 3, 5)), 1e-13);
  // And looks at nothing else: high frequencies of the noise change no bit but of rounding.
  const at::Tensor high =
      LowFrequencies(8, 8, 8, at::kDouble).coefficients(numbers({3, 2, 8, 8}, 5));
  high.narrow(2, 0, 3).narrow(3, 0, 3).zero_();
  const at::Tensor moved = c.x0 + LowFrequencies(8, 8, 8, at::kDouble).pictures(high);
  EXPECT_LT(largest(math.forward(moved, {}, c.layers, nullptr) - delta), 1e-13);
}

TEST(LowFrequencyMath, CountsItsOperations) {
  // c: 2 channels x (3x4x6 + 3x6x3 products) x 2, and back; layers 21 -> 5 -> 5 -> 18.
  const LowFrequencyShape shape{2, 4, 6, 3, 5, 2, 3};
  const std::uint64_t transform = 2 * 2 * (3 * 4 * 6 + 3 * 6 * 3);
  const std::uint64_t layers = 2 * (21 * 5 + 5 * 5 + 5 * 18) + (5 + 5 + 18);
  EXPECT_EQ(low_frequency_flops(shape), 2 * transform + layers + 4 * 2 * 5);
}

TEST(LowFrequencyMath, LastLayerBeginsAtZero) {
  const auto parameters = low_frequency_parameters({2, 4, 6, 3, 5, 2, 3});
  ASSERT_EQ(parameters.size(), 6u);
  EXPECT_EQ(parameters[0].name, "layer.0.weight");
  EXPECT_EQ(parameters[0].shape, (std::vector<std::int64_t>{5, 21}));
  EXPECT_FLOAT_EQ(parameters[1].bound, 1 / std::sqrt(21.0f)) << "of the layer, its bias too";
  EXPECT_EQ(parameters[4].shape, (std::vector<std::int64_t>{18, 5}));
  EXPECT_EQ(parameters[4].bound, 0);
  EXPECT_EQ(parameters[5].bound, 0);
}

}  // namespace
}  // namespace hn::core
