// host/src/scoring/variance and headroom against closed forms and rewards that are made up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/random.hpp"
#include "scoring/headroom.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using ::testing::HasSubstr;

// P prompts of N seeds: prompts of deviation `between`, seeds of deviation `within`.
std::vector<std::vector<double>> made(std::size_t prompts, std::size_t seeds, double between,
                                      double within) {
  std::vector<float> numbers(prompts * (seeds + 1));
  core::fill_normal(numbers, 5, core::Stream::kSearchNoise, 0);
  std::vector<std::vector<double>> rows(prompts);
  for (std::size_t i = 0; i < prompts; ++i)
    for (std::size_t j = 0; j < seeds; ++j)
      rows[i].push_back(10 + between * numbers[i] + within * numbers[prompts + i * seeds + j]);
  return rows;
}

TEST(ExpectedMaximum, IsTheMeanOverAllSubsets) {
  const std::vector<double> x = {3, -1, 4, 1, 5};
  EXPECT_DOUBLE_EQ(expected_maximum(x, 1), 12.0 / 5);
  EXPECT_DOUBLE_EQ(expected_maximum(x, 5), 5);
  for (std::size_t n = 2; n < 5; ++n) {
    double sum = 0;
    int count = 0;
    for (unsigned subset = 0; subset < 32; ++subset) {
      if (static_cast<std::size_t>(__builtin_popcount(subset)) != n) continue;
      double most = -100;
      for (unsigned i = 0; i < 5; ++i)
        if ((subset >> i & 1) != 0) most = std::max(most, x[i]);
      sum += most;
      ++count;
    }
    EXPECT_NEAR(expected_maximum(x, n), sum / count, 1e-12) << n;
  }
  expect_error(HN_INVALID_ARGUMENT, {"expected n of 1 to 5, got 6"},
               [&] { (void)expected_maximum(x, 6); });
  expect_error(HN_INVALID_ARGUMENT, {"got 0"}, [&] { (void)expected_maximum(x, 0); });
}

TEST(ExpectedMaximum, OfNormalNumbers) {
  EXPECT_DOUBLE_EQ(normal_maximum(1), 0);
  EXPECT_NEAR(normal_maximum(2), 1 / std::sqrt(M_PI), 1e-6);
  EXPECT_NEAR(normal_maximum(3), 1.5 / std::sqrt(M_PI), 1e-6);
  EXPECT_NEAR(normal_maximum(5), 1.1629644736, 1e-6);  // Harter's table, Biometrika 1961
  EXPECT_NEAR(normal_maximum(10), 1.5387527308, 1e-6);
}

TEST(Variance, OneWayByHand) {
  // Means 2, 5, 8; sums of squares 2, 8, 2: MSW = 12 / 6, MSB = 3 * 18 / 2.
  const VarianceComponents v = variance_components({{1, 2, 3}, {3, 5, 7}, {7, 8, 9}});
  EXPECT_DOUBLE_EQ(v.within.value, 2);
  EXPECT_NEAR(v.between.value, (27.0 - 2) / 3, 1e-12);
  EXPECT_NEAR(v.share_within.value, 2 / (2 + 25.0 / 3), 1e-12);
  // The jackknife of a mean of the groups' variances 1, 4, 1 is its standard error: 1.
  EXPECT_NEAR(v.within.standard_error, 1, 1e-12);
}

TEST(Variance, FindsWhatTheDataWereMadeOf) {
  const VarianceComponents v = variance_components(made(400, 16, 2, 0.5));
  EXPECT_NEAR(v.within.value, 0.25, 4 * v.within.standard_error);
  EXPECT_NEAR(v.between.value, 4, 4 * v.between.standard_error);
  EXPECT_NEAR(v.share_within.value, 0.25 / 4.25, 4 * v.share_within.standard_error);
  EXPECT_LT(v.share_within.standard_error, 0.01);
}

TEST(Variance, NothingVariesOrTooFew) {
  EXPECT_TRUE(std::isnan(variance_components({{1, 1}, {1, 1}}).share_within.value));
  EXPECT_TRUE(std::isnan(variance_components({{1, 2}, {3, 1}}).within.standard_error));
  expect_error(HN_INVALID_ARGUMENT, {"at least 2 groups, got 1"}, [] {
    (void)variance_components({{1, 2}});
  });
  expect_error(HN_INVALID_ARGUMENT, {"at least 2 values in every group"}, [] {
    (void)variance_components({{1}, {2}});
  });
}

HeadroomInput input(std::vector<std::vector<double>> values) {
  HeadroomInput in;
  for (const auto& row : values) in.again.push_back(row[0]);
  in.gradient_norms = std::vector<double>(values.size(), 0.5);
  in.values = std::move(values);
  return in;
}

TEST(Headroom, SeedsThatMatterAreWorthTraining) {
  const Headroom h = headroom(input(made(32, 16, 0.5, 1)));
  EXPECT_EQ(h.verdict, HeadroomVerdict::kTrain);
  ASSERT_EQ(h.best_of.size(), 5u);
  EXPECT_EQ(h.best_of[3].first, 8u);
  EXPECT_DOUBLE_EQ(h.best_of[0].second.mean, 0);
  for (std::size_t k = 1; k < 5; ++k) {
    const auto& [n, gain] = h.best_of[k];
    EXPECT_NEAR(gain.mean, normal_maximum(n), 4 * gain.standard_error) << n;
  }
  EXPECT_NEAR(h.kl_gain->mean, 0.5 * std::sqrt(2.0), 1e-12);
  EXPECT_THAT(h.why, HasSubstr("the best of 16 seeds gains"));
  EXPECT_EQ(to_json(h).at("verdict"), "train");
}

TEST(Headroom, ARewardThatIgnoresThePictureHasNothingToGain) {
  const Headroom constant = headroom(input(made(8, 4, 3, 0)));
  EXPECT_EQ(constant.verdict, HeadroomVerdict::kNothing);
  EXPECT_DOUBLE_EQ(constant.best_of.back().second.mean, 0);
  // And one that gives another number each time, whatever it sees.
  HeadroomInput noisy = input(made(64, 16, 3, 0.01));
  std::vector<float> numbers(64);
  core::fill_normal(numbers, 6, core::Stream::kSearchNoise, 1);
  for (std::size_t i = 0; i < 64; ++i) noisy.again[i] = noisy.values[i][0] + 0.015 * numbers[i];
  const Headroom h = headroom(noisy);
  EXPECT_NEAR(h.repeat_deviation, 0.015 / std::sqrt(2.0), 0.003);
  EXPECT_EQ(h.verdict, HeadroomVerdict::kNothing);
  EXPECT_THAT(h.why, HasSubstr("computing one value twice"));
}

TEST(Headroom, SeedsThatHardlyMatter) {
  HeadroomInput in = input(made(32, 16, 5, 0.05));
  const Headroom h = headroom(in);
  EXPECT_EQ(h.verdict, HeadroomVerdict::kLittle);
  EXPECT_THAT(h.why, HasSubstr("The prompt decides"));
  in.evaluated = 1'000'000;  // an evaluation that would see it
  EXPECT_EQ(headroom(in).verdict, HeadroomVerdict::kTrain);
}

TEST(Headroom, WithoutAGradientThereIsOnlySearch) {
  HeadroomInput in = input(made(32, 16, 0.5, 1));
  in.gradient_norms = std::vector<double>(32, 0.0);
  EXPECT_EQ(headroom(in).verdict, HeadroomVerdict::kSearchOnly);
  EXPECT_THAT(headroom(in).why, HasSubstr("it is zero for every prompt"));
  in.gradient_norms.reset();
  in.no_gradient = "judge gives none (score-only)";
  EXPECT_EQ(headroom(in).verdict, HeadroomVerdict::kSearchOnly);
  EXPECT_THAT(headroom(in).why, HasSubstr("judge gives none"));
  EXPECT_TRUE(to_json(headroom(in)).at("gradient_norm").is_null());
}

TEST(Headroom, SeedsThatAreNoPowerOfTwo) {
  const Headroom h = headroom(input(made(4, 6, 1, 1)));
  EXPECT_EQ(h.best_of.back().first, 6u);
  EXPECT_EQ(h.best_of[2].first, 4u);
}

TEST(Headroom, TooLittleToMeasureIsRefused) {
  const auto refused = [](HeadroomInput in, const char* text) {
    expect_error(HN_INVALID_ARGUMENT, {text}, [&] { (void)headroom(in); });
  };
  refused(input({{1, 2}}), "at least 2 prompts, got 1");
  refused(input({{1}, {2}}), "at least 2 seeds");
  refused(input({{1, 2}, {2, 3, 4}}), "as many for every prompt");
  refused(input({{1, 2}, {2, std::numeric_limits<double>::quiet_NaN()}}), "at prompt 1");
  HeadroomInput in = input({{1, 2}, {2, 3}});
  in.again.pop_back();
  refused(in, "one repeated value");
}

}  // namespace
}  // namespace hn::host
