// sdk/nn/quantise: codes, errors and sizes; layers that use them, with gradients by
// input and adapter; what the graph keeps.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <hn/nn/byte_count.hpp>
#include <hn/nn/lora.hpp>
#include <hn/nn/quantise.hpp>

#include "unit/memory_support.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;

class Quantised : public testing::TestWithParam<Quantise> {};

TEST_P(Quantised, IsAByteANumberAndAScaleAChannel) {
  const auto w = at::randn({16, 24, 3, 3}) * at::logspace(-3, 2, 16).view({16, 1, 1, 1});
  const QuantisedWeight q(w, GetParam(), at::kFloat, at::kCPU);
  EXPECT_EQ(q.nbytes(), static_cast<std::uint64_t>(w.numel()) + 16 * 4);
  const auto off = (q.dense() - w).abs(), most = w.flatten(1).abs().amax(1).view({16, 1, 1, 1});
  if (GetParam() == Quantise::kInt8) {
    // Half a step of 1/127 of the channel's largest number.
    EXPECT_TRUE((off <= most / 127 * 0.5001).all().item<bool>());
  } else {
    // Three bits of fraction: half a step is 1/16 of the number; below 2^-6 steps are even.
    EXPECT_TRUE((off <= w.abs() / 16 + most / 448 * std::pow(2.0, -10)).all().item<bool>());
  }
  EXPECT_TRUE(at::equal(q.matrix().dense(), q.dense().flatten(1)));
  const QuantisedWeight half(w.to(at::kBFloat16), GetParam(), at::kBFloat16, at::kCPU);
  EXPECT_EQ(half.dense().scalar_type(), at::kBFloat16);
}

TEST_P(Quantised, ChannelsOfZerosStayZeros) {
  auto w = at::randn({4, 8});
  w[2].zero_();
  const auto dense = QuantisedWeight(w, GetParam(), at::kFloat, at::kCPU).dense();
  EXPECT_TRUE(at::isfinite(dense).all().item<bool>());
  EXPECT_EQ(dense[2].abs().max().item<float>(), 0);
}

// A Linear and a Conv2d over one weights file, quantised and as the dense weights that the codes
// stand for.
struct Layers {
  Layers(Quantise kind, std::int64_t kernel, std::int64_t stride) {
    const TestFolder folder;
    const auto write = [&](const at::Tensor& w, const at::Tensor& conv, const at::Tensor& bias) {
      const auto entry = [](const char* name, const at::Tensor& t) {
        return TensorToWrite{name, TensorDtype::kF32, t.sizes().vec(), t.const_data_ptr(),
                             t.nbytes()};
      };
      write_safetensors(folder.path() / "model.safetensors",
                        std::vector{entry("l.weight", w), entry("l.bias", bias),
                                    entry("c.weight", conv), entry("c.bias", bias)});
    };
    const auto load = [&](Quantise q, Linear& l, Conv2d& c) {
      WeightMap weights(SafetensorsFolder::open(folder.path()), at::kFloat, at::kCPU, "test");
      weights.set_quantise(q);
      layers.clear();
      const Builder build{weights, &layers};
      l = Linear(build, "l", 24, 16, true);
      c = Conv2d(build, "c", 24, 16, kernel, stride, kernel / 2, 1, true);
      weights.finish();
      return weights.report();
    };
    const auto w = at::randn({16, 24}), conv = at::randn({16, 24, kernel, kernel}),
               bias = at::randn({16});
    write(w, conv, bias);
    report = load(kind, linear, convolution);
    write(QuantisedWeight(w, kind, at::kFloat, at::kCPU).dense(),
          QuantisedWeight(conv, kind, at::kFloat, at::kCPU).dense(), bias);
    load(Quantise::kNone, plain_linear, plain_convolution);
  }
  // Rank 2 on both layers.
  LoraSet lora(std::vector<at::Tensor>& leaves, std::int64_t kernel, int branch_only = -1) {
    at::manual_seed(9);
    LoraSet set(2, 0.7, branch_only);
    const auto leaf = [&](std::vector<std::int64_t> shape) {
      leaves.push_back(at::randn(shape).set_requires_grad(true));
      return leaves.back();
    };
    const auto a = leaf({2, 24}), b = leaf({16, 2});
    set.set(0, a, b);
    const auto ca = leaf({2, 24, kernel, kernel}), cb = leaf({16, 2, 1, 1});
    set.set(1, ca, cb);
    return set;
  }

  Linear linear, plain_linear;
  Conv2d convolution, plain_convolution;
  std::vector<LayerInfo> layers;
  QuantiseReport report;
};

void expect_close(const at::Tensor& got, const at::Tensor& want, const char* what) {
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  EXPECT_LE((got - want).abs().max().item<double>(), 1e-5 * (1 + want.abs().max().item<double>()))
      << what;
}

TEST_P(Quantised, LayersComputeWithTheDenseWeightBothWays) {
  for (const auto& [kernel, stride] : {std::pair<std::int64_t, std::int64_t>{3, 1}, {3, 2}}) {
    Layers l(GetParam(), kernel, stride);
    EXPECT_FALSE(l.linear.weight.defined());
    EXPECT_FALSE(l.convolution.weight.defined());
    for (const bool adapted : {false, true}) {
      std::vector<at::Tensor> leaves;
      const LoraSet lora = adapted ? l.lora(leaves, kernel) : LoraSet();
      const auto rows = at::randn({2, 5, 24}).set_requires_grad(true);
      const auto image = at::randn({2, 24, 6, 5})
                             .contiguous(at::MemoryFormat::ChannelsLast)
                             .set_requires_grad(true);
      leaves.insert(leaves.end(), {rows, image});
      const auto both = [&](const Linear& linear, const Conv2d& conv) {
        const auto y = linear(rows, lora), z = conv(image, lora);
        auto grads = torch::autograd::grad({y.sin().sum() + z.sin().sum()}, leaves);
        grads.insert(grads.end(), {y, z});
        return grads;
      };
      const auto got = both(l.linear, l.convolution),
                 want = both(l.plain_linear, l.plain_convolution);
      for (std::size_t i = 0; i < got.size(); ++i)
        expect_close(got[i], want[i], adapted ? "adapted" : "frozen");
    }
  }
}

TEST_P(Quantised, PatchesAndALayerThatGivesItsBranchAlone) {
  Layers l(GetParam(), 1, 1);
  std::vector<at::Tensor> leaves;
  const LoraSet lora = l.lora(leaves, 1, /*branch_only=*/0);
  const auto rows = at::randn({3, 24});
  expect_close(l.linear(rows, lora), l.plain_linear(rows, lora), "branch alone");
  expect_close(l.convolution.on_patches(rows, lora), l.plain_convolution.on_patches(rows, lora),
               "patches");
}

TEST_P(Quantised, TheGraphKeepsNoDenseWeight) {
  const QuantisedWeight q(at::randn({256, 512}), GetParam(), at::kFloat, at::kCPU);
  const auto x = at::randn({4, 512}).set_requires_grad(true);
  const ByteCount count;
  const auto y = q.linear(x, {});
  EXPECT_EQ(count.live(), y.nbytes());
  EXPECT_GE(count.peak(), 256u * 512 * 4) << "it is there while it is used";
}

TEST_P(Quantised, ReportsItsErrorAndSize) {
  Layers l(GetParam(), 3, 1);
  EXPECT_EQ(l.report.tensors, 2);
  const double mean = l.report.sum_error / 2;
  EXPECT_GT(mean, GetParam() == Quantise::kInt8 ? 1e-3 : 1e-2);
  EXPECT_LT(l.report.max_error, GetParam() == Quantise::kInt8 ? 0.02 : 0.05);
  EXPECT_GE(l.report.max_error, mean);
  EXPECT_EQ(l.report.old_bytes, (16u * 24 + 16 * 24 * 9) * 4);
  EXPECT_EQ(l.report.bytes, 16u * 24 + 16 * 24 * 9 + 2 * 16 * 4);
  const std::string text = l.report.text(GetParam());
  EXPECT_NE(text.find(std::string("2 weights as ") + quantise_name(GetParam())), std::string::npos)
      << text;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Quantised, testing::Values(Quantise::kInt8, Quantise::kFp8),
                         [](const auto& info) { return quantise_name(info.param); });

TEST(QuantiseOption, NamesItsChoices) {
  using test::config_of;
  const test::Options none, fp8{{"quantise", std::string("fp8")}},
      wrong{{"quantise", std::string("int3")}};
  EXPECT_EQ(quantise_option(config_of(none)), Quantise::kNone);
  EXPECT_EQ(quantise_option(config_of(fp8)), Quantise::kFp8);
  expect_error(HN_INVALID_ARGUMENT, {"quantise", "none, int8, fp8", "int3"},
               [&] { quantise_option(config_of(wrong)); });
}

}  // namespace
}  // namespace hn
