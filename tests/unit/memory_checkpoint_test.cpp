// sdk/nn/checkpoint: the same bits however much is computed again, bytes within the
// budget, and what a budget that is too small says.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/checkpoint.hpp>
#include <thread>

namespace hn {
namespace {

constexpr std::int64_t kWidth = 48, kBlocks = 6;

// Residual blocks x + B tanh(A (x + c)): A and B are adapters, c is an input that all blocks share.
struct Net {
  Net() {
    at::manual_seed(5);
    for (std::int64_t i = 0; i < kBlocks; ++i) {
      a.push_back((at::randn({kWidth, kWidth}) * 0.1).set_requires_grad(true));
      b.push_back((at::randn({kWidth, kWidth}) * 0.1).set_requires_grad(true));
    }
    shared = at::randn({8, kWidth}).set_requires_grad(true);
  }

  at::Tensor operator()(const at::Tensor& input, BlockRunner& run) const {
    // What the blocks share depends on an adapter itself, as a caption's projection may.
    const auto c = at::mm(shared, a[0]);
    auto x = input;
    for (std::size_t i = 0; i < a.size(); ++i)
      x = run(
          [this, i](const Tensors& in) {
            const auto y = at::tanh(at::mm(in[0] + in[1], a[i]) * at::sigmoid(in[0] + 2 * in[1]));
            return in[0] + at::mm(y, b[i]);
          },
          {x, c}, {a[i], b[i]});
    return x;
  }

  std::vector<at::Tensor> a, b;
  at::Tensor shared;
};

struct Pass {
  at::Tensor output;
  std::vector<at::Tensor> grads;
  std::uint64_t kept = 0, backward_peak = 0;
  std::size_t recomputed = 0;
};

Pass pass(const Net& net, const at::Tensor& input, std::uint64_t budget,
          const std::shared_ptr<BlockCosts>& costs) {
  Pass p;
  const auto x = input.detach().clone().set_requires_grad(true);
  const auto cotangent = at::linspace(-1, 1, x.numel()).view(x.sizes());
  const ByteCount count;
  BlockRunner run(budget, costs, {x.numel()});
  p.output = net(x, run);
  p.kept = count.live();
  p.recomputed = run.recomputed();
  run.finish(p.kept, "test");
  std::vector<at::Tensor> leaves{x, net.shared};
  leaves.insert(leaves.end(), net.a.begin(), net.a.end());
  leaves.insert(leaves.end(), net.b.begin(), net.b.end());
  p.grads = torch::autograd::grad({p.output}, leaves, {cotangent}, true);
  // A second backward over the same graph, as a host may ask for, from another thread.
  std::vector<at::Tensor> again;
  std::thread([&] { again = torch::autograd::grad({p.output}, leaves, {cotangent}, true); }).join();
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_TRUE(at::equal(again[i], p.grads[i]));
  return p;
}

void expect_same_bits(const Pass& got, const Pass& want) {
  EXPECT_TRUE(at::equal(got.output, want.output));
  ASSERT_EQ(got.grads.size(), want.grads.size());
  for (std::size_t i = 0; i < got.grads.size(); ++i)
    EXPECT_TRUE(at::equal(got.grads[i], want.grads[i])) << "gradient " << i;
}

TEST(Checkpoint, AnyBudgetGivesTheSameBitsAndIsKept) {
  const Net net;
  const auto input = at::randn({8, kWidth});
  const Pass full = pass(net, input, 0, nullptr);
  EXPECT_EQ(full.recomputed, 0u);

  const auto costs = std::make_shared<BlockCosts>();
  const Pass first = pass(net, input, full.kept, costs);
  EXPECT_EQ(first.recomputed, static_cast<std::size_t>(kBlocks)) << "nothing is known yet";
  expect_same_bits(first, full);
  const std::uint64_t least = costs->record().least;
  ASSERT_LT(2 * least, full.kept);

  std::size_t before = kBlocks + 1;
  for (const double share : {0.0, 0.2, 0.5, 0.8, 1.0}) {
    const auto budget = least + static_cast<std::uint64_t>(
                                    share * static_cast<double>(full.kept - least + 8 * kWidth));
    const Pass p = pass(net, input, budget, costs);
    EXPECT_LE(p.kept, budget) << share;
    EXPECT_LE(p.recomputed, before) << "more room, less to compute again";
    before = p.recomputed;
    expect_same_bits(p, full);
  }
  EXPECT_LT(before, static_cast<std::size_t>(kBlocks));
}

TEST(Checkpoint, WhatWasLearnedHoldsForSmallerPassesAndNotForLarger) {
  const Net net;
  const auto costs = std::make_shared<BlockCosts>();
  const std::uint64_t plenty = 1 << 20;
  pass(net, at::randn({8, kWidth}), plenty, costs);
  EXPECT_TRUE(costs->cover({8 * kWidth}));
  EXPECT_TRUE(costs->cover({2 * kWidth}));
  EXPECT_FALSE(costs->cover({9 * kWidth}));
  EXPECT_FALSE(costs->cover({8 * kWidth, 1}));
}

TEST(Checkpoint, TooSmallABudgetNamesTheLeast) {
  const Net net;
  const auto input = at::randn({8, kWidth});
  const auto costs = std::make_shared<BlockCosts>();
  pass(net, input, 1 << 20, costs);
  const std::uint64_t least = costs->record().least;
  try {
    pass(net, input, least - 1, costs);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_INVALID_ARGUMENT);
    EXPECT_THAT(error.what(), testing::HasSubstr("[test] saved_budget_bytes: expected at least " +
                                                 std::to_string(least)));
  }
  EXPECT_LE(pass(net, input, least, costs).kept, least) << "the least itself is enough";
}

TEST(Checkpoint, NestedBlocksAreComputedAgainInsideAnother) {
  const Net net;
  const auto input = at::randn({8, kWidth});
  const auto grads = [&](bool nested) {
    const auto x = input.detach().clone().set_requires_grad(true);
    std::vector<at::Tensor> leaves{x, net.a[0], net.b[2], net.shared};
    Tensors captured = net.a;
    captured.insert(captured.end(), net.b.begin(), net.b.end());
    captured.push_back(net.shared);
    BlockRunner outer;
    const auto costs = std::make_shared<BlockCosts>();
    const auto whole = [&net, nested, costs](const Tensors& in) {
      BlockRunner inner = nested ? BlockRunner(1 << 30, costs, {in[0].numel()}) : BlockRunner();
      return net(in[0], inner);
    };
    const auto y = nested ? outer.always(whole, {x}, captured) : whole({x});
    return torch::autograd::grad({y.square().sum()}, leaves);
  };
  const auto want = grads(false), got = grads(true);
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_LE((want[i] - got[i]).abs().max().item<double>(),
              1e-6 * want[i].abs().max().item<double>());
  EXPECT_TRUE(at::equal(want[0], got[0]));
}

TEST(Checkpoint, UndefinedInputsAndBlocksWithoutGradients) {
  BlockRunner run(1 << 20, std::make_shared<BlockCosts>(), {1});
  const auto w = at::randn({3, 3});
  const auto block = [&w](const Tensors& in) {
    EXPECT_FALSE(in[1].defined());
    return at::mm(in[0], w);
  };
  const auto frozen = run(block, {at::randn({2, 3}), at::Tensor()});
  EXPECT_FALSE(frozen.requires_grad());
  EXPECT_EQ(run.blocks(), 0u);
  const auto x = at::randn({2, 3}).set_requires_grad(true);
  const auto y = run(block, {x, at::Tensor()});
  const auto g = torch::autograd::grad({y.sum()}, {x})[0];
  EXPECT_TRUE(at::allclose(g, at::ones({2, 3}).mm(w.t())));
  {
    const c10::NoGradGuard no_grad;
    EXPECT_FALSE(run(block, {x, at::Tensor()}).requires_grad());
  }
}

TEST(Checkpoint, ABlockThatHandsItsInputThrough) {
  BlockRunner run;
  const auto x = at::randn({4}).set_requires_grad(true);
  const auto y = run.always([](const Tensors& in) { return in[0]; }, {x});
  EXPECT_TRUE(x.is_leaf());
  EXPECT_TRUE(at::equal(torch::autograd::grad({(3 * y).sum()}, {x})[0], at::full({4}, 3.0)));
}

TEST(ByteCount, CountsWhatStaysAndTheMost) {
  const auto before = at::empty({1000});
  const ByteCount count;
  auto kept = at::zeros({256});
  EXPECT_EQ(count.live(), 1024u);
  {
    const ByteCount inner;
    const auto gone = at::zeros({512});
    EXPECT_EQ(inner.live(), 2048u);
  }
  EXPECT_EQ(count.live(), 1024u);
  EXPECT_EQ(count.peak(), 1024u + 2048u);
  kept.reset();
  EXPECT_EQ(count.live(), 0u);
}

}  // namespace
}  // namespace hn
