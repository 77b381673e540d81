#include <cmath>
#include <limits>

#include "scoring/statistics.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Statistics, MeanAndStandardError) {
  // numpy: mean([1, 2, 4, 5]) = 3, std(ddof=1)/sqrt(4) = 0.9128709291752769
  const Mean mean = mean_of(std::vector<double>{1, 2, 4, 5});
  EXPECT_DOUBLE_EQ(mean.mean, 3);
  EXPECT_DOUBLE_EQ(mean.standard_error, 0.9128709291752769);
  EXPECT_EQ(mean.n, 4u);
}

TEST(Statistics, TooFewValues) {
  EXPECT_TRUE(std::isnan(mean_of({}).mean));
  const Mean one = mean_of(std::vector<double>{7});
  EXPECT_DOUBLE_EQ(one.mean, 7);
  EXPECT_TRUE(std::isnan(one.standard_error));
}

TEST(Statistics, WhatDoesNotApplyIsLeftOut) {
  const Mean mean =
      mean_of(std::vector<double>{1, kNaN, 3, std::numeric_limits<double>::infinity()});
  EXPECT_DOUBLE_EQ(mean.mean, 2);
  EXPECT_EQ(mean.n, 2u);
}

TEST(Statistics, PairedDifferencesAreSharperThanEither) {
  const std::vector<double> before = {0, 10, 20, 30};
  const std::vector<double> after = {1, 11.5, 21, 30.5};
  const std::vector<std::size_t> group = {0, 1, 2, 3};
  const Paired result = paired(before, after, group);
  EXPECT_DOUBLE_EQ(result.difference.mean, 1.0);
  EXPECT_NEAR(result.difference.standard_error, 0.20412414523193154, 1e-15);  // numpy
  EXPECT_GT(result.before.standard_error, 6);
  EXPECT_EQ(verdict(result.difference, true), Verdict::kBetter);
  EXPECT_EQ(verdict(result.difference, false), Verdict::kWorse);
}

TEST(Statistics, RepetitionsOfAPromptAreNotNewEvidence) {
  const std::vector<double> before = {0, 0, 0, 0};
  const std::vector<double> after = {1, 3, 1, 3};
  const Paired once =
      paired(std::vector<double>{0, 0}, std::vector<double>{1, 3}, std::vector<std::size_t>{0, 1});
  const Paired twice = paired(before, after, std::vector<std::size_t>{0, 1, 0, 1});
  EXPECT_EQ(twice.difference.n, 2u);
  EXPECT_DOUBLE_EQ(twice.difference.standard_error, once.difference.standard_error);
}

TEST(Statistics, PairsAreDroppedTogether) {
  const Paired result = paired(std::vector<double>{kNaN, 1, 2}, std::vector<double>{5, 2, 4},
                               std::vector<std::size_t>{0, 1, 2});
  EXPECT_EQ(result.difference.n, 2u);
  EXPECT_DOUBLE_EQ(result.after.mean, 3);
  expect_error(HN_INVALID_ARGUMENT, {"[paired]"}, [] {
    paired(std::vector<double>{1}, std::vector<double>{}, std::vector<std::size_t>{0});
  });
}

TEST(Statistics, PooledRunsCountPromptsAndSeeds) {
  const Mean pool = pooled({{1, 3}, {2, 4}, {3, 5}});
  EXPECT_DOUBLE_EQ(pool.mean, 3);
  // Over prompts: means 2 and 4, error 1; over seeds: means 2, 3, 4, error 1/sqrt(3).
  EXPECT_NEAR(pool.standard_error, std::sqrt(1.0 + 1.0 / 3), 1e-15);
  EXPECT_NEAR(pooled({{1, 3}}).standard_error, 1, 1e-15);
  EXPECT_TRUE(std::isnan(pooled({}).mean));
  expect_error(HN_INVALID_ARGUMENT, {"[pooled]"}, [] { pooled({{1, 2}, {1}}); });
}

TEST(Statistics, AbsentGroupsKeepRunsAligned) {
  const auto row = group_differences(std::vector<double>{1, kNaN, 1}, std::vector<double>{2, 1, 4},
                                     std::vector<std::size_t>{7, 8, 9});
  ASSERT_EQ(row.size(), 3u);
  EXPECT_DOUBLE_EQ(row[0], 1);
  EXPECT_TRUE(std::isnan(row[1]));
  EXPECT_DOUBLE_EQ(row[2], 3);
}

TEST(Statistics, VerdictNeedsTwoStandardErrors) {
  EXPECT_EQ(verdict({0.1, 0.05, 9}, true), Verdict::kUnclear);
  EXPECT_EQ(verdict({0.11, 0.05, 9}, true), Verdict::kBetter);
  EXPECT_EQ(verdict({-0.11, 0.05, 9}, true), Verdict::kWorse);
  EXPECT_EQ(verdict({5, kNaN, 1}, true), Verdict::kUnclear);
  EXPECT_EQ(verdict_text(Verdict::kBetter), "better");
  EXPECT_EQ(verdict_text(Verdict::kUnclear), "no clear change");
}

}  // namespace
}  // namespace hn::host
