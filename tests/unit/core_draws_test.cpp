#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "core/draws.hpp"

namespace hn::core::test {
namespace {

// Known answers of Random123's kat_vectors (philox4x32, 10 rounds).
TEST(CoreRandom, PhiloxMatchesItsKnownAnswers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CoreRandom, NormalsHaveTheirMoments) {
  const at::Tensor x = at::empty({400000});
  fill_normal({x.data_ptr<float>(), 400000}, 3, Stream::kTrainNoise, 5);
  const at::Tensor d = x.to(at::kDouble);
  EXPECT_NEAR(d.mean().item<double>(), 0, 5e-3);
  EXPECT_NEAR(d.pow(2).mean().item<double>(), 1, 1e-2);
  EXPECT_NEAR(d.pow(3).mean().item<double>(), 0, 2e-2);
  EXPECT_NEAR(d.pow(4).mean().item<double>(), 3, 5e-2);
  EXPECT_NEAR((d.slice(0, 1) * d.slice(0, 0, -1)).mean().item<double>(), 0, 5e-3);
  EXPECT_LT(d.abs().max().item<double>(), 6.7);
}

TEST(CoreRandom, UniformStaysInItsBounds) {
  const at::Tensor x = at::empty({100003});
  fill_uniform({x.data_ptr<float>(), 100003}, 0.25f, 3, Stream::kAdapterInit, 0);
  EXPECT_GE(x.min().item<float>(), -0.25f);
  EXPECT_LT(x.max().item<float>(), 0.25f);
  EXPECT_NEAR(x.mean().item<double>(), 0, 2e-3);
  EXPECT_NEAR(x.to(at::kDouble).pow(2).mean().item<double>(), 0.0625 / 3, 3e-4);
}

TEST(CoreRandom, SeedStreamIndexAndPlaceAllMatter) {
  std::set<std::uint32_t> seen;
  for (std::uint64_t seed : {0ull, 1ull, 1ull << 40})
    for (auto stream : {Stream::kTrainNoise, Stream::kEvalNoise})
      for (std::uint64_t index : {0ull, 1ull, 1ull << 40})
        for (std::uint32_t place : {0u, 1u, 7u})
          for (std::uint32_t sub : {0u, 1u})
            seen.insert(random_bits(seed, stream, index, place, sub));
  EXPECT_EQ(seen.size(), 3u * 2 * 3 * 3 * 2);
}

TEST(CoreRandom, EveryEpochIsAnotherPermutation) {
  const auto a = shuffled(1000, 1, 0), b = shuffled(1000, 1, 1), again = shuffled(1000, 1, 0);
  EXPECT_EQ(a, again);
  EXPECT_NE(a, b);
  EXPECT_EQ(std::set<std::uint32_t>(b.begin(), b.end()).size(), 1000u);
}

TEST(CoreDraws, AnEpochShowsEveryPromptOnce) {
  Draws draws(11);
  std::set<std::size_t> first, second;
  for (std::uint64_t i = 0; i < 7; ++i) first.insert(draws.prompt(i, 7));
  for (std::uint64_t i = 7; i < 14; ++i) second.insert(draws.prompt(i, 7));
  EXPECT_EQ(first.size(), 7u);
  EXPECT_EQ(second.size(), 7u);
  EXPECT_EQ(draws.prompt(3, 7), Draws(11).prompt(3, 7)) << "going back gives the same";
}

at::Tensor noise(LatentMode mode, std::uint64_t step, std::uint64_t first, std::int64_t n,
                 std::int64_t count = 2) {
  TrainSpec train;
  train.latents = mode;
  train.latent_count = count;
  at::Tensor out = at::empty({n, 2, 3, 3});
  Draws(5).train_noise(train, step, first, out);
  return out;
}

TEST(CoreDraws, InfIsFreshAndDoesNotDependOnTheBatch) {
  const at::Tensor four = noise(LatentMode::kInf, 0, 8, 4);
  EXPECT_FALSE(at::equal(four[0], four[1]));
  EXPECT_TRUE(at::equal(four.narrow(0, 2, 2), noise(LatentMode::kInf, 9, 10, 2)));
}

TEST(CoreDraws, BatchIsOneNoiseAnOptimiserStep) {
  const at::Tensor a = noise(LatentMode::kBatch, 3, 0, 4), b = noise(LatentMode::kBatch, 4, 4, 4);
  EXPECT_TRUE(at::equal(a[0], a[3]));
  EXPECT_TRUE(at::equal(a[0], noise(LatentMode::kBatch, 3, 77, 1)[0]))
      << "the same in every micro batch";
  EXPECT_FALSE(at::equal(a[0], b[0]));
}

TEST(CoreDraws, MultiTakesFromAFixedSet) {
  const at::Tensor all = noise(LatentMode::kMulti, 0, 0, 64, 3);
  std::set<float> kinds;
  for (std::int64_t b = 0; b < 64; ++b) kinds.insert(all[b][0][0][0].item<float>());
  EXPECT_EQ(kinds.size(), 3u);
}

TEST(CoreDraws, OneIsAlwaysTheSame) {
  EXPECT_TRUE(at::equal(noise(LatentMode::kOne, 0, 0, 1), noise(LatentMode::kOne, 8, 50, 1)));
}

TEST(CoreDraws, EvaluationSamplesDoNotDependOnTheBatch) {
  at::Tensor all = at::empty({6, 2, 2, 2}), part = at::empty({2, 2, 2, 2});
  Draws::eval_noise(9, 0, all);
  Draws::eval_noise(9, 4, part);
  EXPECT_TRUE(at::equal(all.narrow(0, 4, 2), part));
  at::Tensor steps = at::empty({3, 6, 2, 2, 2}), two = at::empty({3, 2, 2, 2, 2});
  Draws::eval_step_noise(9, 0, steps);
  Draws::eval_step_noise(9, 4, two);
  EXPECT_TRUE(at::equal(steps.narrow(1, 4, 2), two));
  EXPECT_FALSE(at::equal(steps[0], steps[1]));
  EXPECT_FALSE(at::equal(steps[0][0], all[0]));
}

}  // namespace
}  // namespace hn::core::test
