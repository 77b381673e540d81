// Variance components against designs whose components are known.
#include <random>

#include "scoring/two_way.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;

struct Design {
  std::size_t prompts, seeds;
  std::vector<std::vector<float>> rows;
  TwoWay parts() const {
    std::vector<std::span<const float>> spans(rows.begin(), rows.end());
    return two_way(spans, prompts, seeds);
  }
};

template <class Value>
Design design(std::size_t prompts, std::size_t seeds, std::size_t size, const Value& value) {
  Design d{prompts, seeds, {}};
  for (std::size_t p = 0; p < prompts; ++p)
    for (std::size_t s = 0; s < seeds; ++s) {
      d.rows.emplace_back();
      for (std::size_t i = 0; i < size; ++i)
        d.rows.back().push_back(static_cast<float>(value(p, s, i)));
    }
  return d;
}

TEST(TwoWay, OneCauseAloneHasEverything) {
  const TwoWay constant = design(3, 4, 5, [](auto, auto, auto i) { return i + 1.0; }).parts();
  EXPECT_NEAR(constant.constant, 55, 1e-9);
  EXPECT_NEAR(constant.total(), 55, 1e-9);
  // Sums of squares over three equally spaced values: variance 1 with n - 1.
  const TwoWay prompt = design(3, 4, 2, [](auto p, auto, auto) { return p - 1.0; }).parts();
  EXPECT_NEAR(prompt.prompt, 2, 1e-9);
  EXPECT_NEAR(prompt.noise + prompt.both, 0, 1e-9);
  const TwoWay noise = design(4, 3, 2, [](auto, auto s, auto) { return s - 1.0; }).parts();
  EXPECT_NEAR(noise.noise, 2, 1e-9);
  EXPECT_NEAR(noise.prompt + noise.both, 0, 1e-9);
  const TwoWay both =
      design(2, 2, 1, [](auto p, auto s, auto) { return p == s ? 1.0 : -1.0; }).parts();
  EXPECT_NEAR(both.both, 4, 1e-9) << "1/((P-1)(S-1)) of the squares";
  EXPECT_EQ(both.prompt + both.noise, 0);
}

TEST(TwoWay, ComponentsOfRandomDesignsComeBack) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  constexpr std::size_t kPrompts = 12, kSeeds = 10, kSize = 400;
  std::vector<double> constant(kSize), prompts(kPrompts * kSize), seeds(kSeeds * kSize);
  for (double& v : constant) v = 0.5;
  for (double& v : prompts) v = 2 * normal(random);
  for (double& v : seeds) v = normal(random);
  const TwoWay parts =
      design(kPrompts, kSeeds, kSize, [&](auto p, auto s, auto i) {
        return constant[i] + prompts[p * kSize + i] + seeds[s * kSize + i] + 3 * normal(random);
      }).parts();
  EXPECT_NEAR(parts.constant / kSize, 0.25, 0.15);
  EXPECT_NEAR(parts.prompt / kSize, 4, 0.4);
  EXPECT_NEAR(parts.noise / kSize, 1, 0.15);
  EXPECT_NEAR(parts.both / kSize, 9, 0.3);
}

TEST(TwoWay, WhatDoesNotFitIsNamed) {
  expect_error(HN_INVALID_ARGUMENT, {"2 or more prompts", "1, 2 and 2 vectors"},
               [] { (void)design(1, 2, 3, [](auto, auto, auto) { return 0; }).parts(); });
  Design d = design(2, 2, 3, [](auto, auto, auto) { return 0; });
  d.rows[3].pop_back();
  expect_error(HN_INVALID_ARGUMENT, {"vectors of 3 numbers, got 2"}, [&] { (void)d.parts(); });
}

}  // namespace
}  // namespace hn::host
