#include <limits>

#include "run/score_table.hpp"
#include "run/statistics.hpp"
#include "unit/common_test_files.hpp"

namespace hn::run {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;

const std::vector<std::string> kRewards = {"clip", "judge"};

class ScoreTableTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file() const {
    return folder_.path() / (std::string("scores") + GetParam());
  }
  static ScoredRow row(const ScoreItem& item, double a, double b, const std::string& error = "") {
    return {&item, {a, b}, {}, error};
  }
  hn::test::TestFolder folder_;
  const ScoreItem cat_{"cat.png", "cat.png", "a cat, \"red\"\nor not"};
  const ScoreItem dog_{"dog.png", "dog.png", "a dog"};
  const ScoreItem cow_{"cow.png", "cow.png", ""};
};

TEST_P(ScoreTableTest, GoesOnWhereItStopped) {
  {
    ScoreTable table(file(), kRewards);
    EXPECT_FALSE(table.has(cat_));
    table.append(row(cat_, 0.25, 1));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    table.append(row(cow_, nan, nan, "broken, sadly"));
    EXPECT_TRUE(table.has(cat_));
    EXPECT_FALSE(table.has(cow_)) << "what failed is tried again";
  }
  const std::string whole = read_bytes(file());
  std::ofstream(file(), std::ios::app) << "{\"image\": \"dog.png\", \"sco";
  {
    ScoreTable table(file(), kRewards);
    EXPECT_TRUE(table.has(cat_));
    EXPECT_FALSE(table.has(dog_));
    EXPECT_EQ(read_bytes(file()), whole) << "half a row is cut off";
    table.append(row(dog_, 0.5, 0));
  }
  EXPECT_EQ(ScoreTable(file(), kRewards).size(), 2u);
  EXPECT_EQ(read_bytes(file()).substr(0, whole.size()), whole);
}

TEST_P(ScoreTableTest, OtherRewardsAreRefused) {
  { ScoreTable(file(), kRewards).append(row(cat_, 1, 2)); }
  expect_error(HN_INVALID_ARGUMENT, {"hps", "clip, judge", "another file"},
               [&] { ScoreTable(file(), {"hps"}); });
  folder_.write(std::string("other") + GetParam(), "something else\n1\n");
  expect_error(HN_INVALID_ARGUMENT, {"other"},
               [&] { ScoreTable(folder_.path() / (std::string("other") + GetParam()), kRewards); });
}

INSTANTIATE_TEST_SUITE_P(Each, ScoreTableTest, ::testing::Values(".jsonl", ".csv"),
                         [](const auto& param) { return std::string(param.param + 1); });

TEST(ScoreTableCsv, ACutInsideAQuotedCellIsFound) {
  const hn::test::TestFolder folder;
  const auto file = folder.write(
      "t.csv", "image,prompt,clip,error\na.png,x,1.0,\n\"b.png\",\"half\na prompt with\n");
  const ScoreTable table(file, {"clip"});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(read_bytes(file), "image,prompt,clip,error\na.png,x,1.0,\n");
}

TEST(Wilson, AgainstKnownIntervals) {
  // The formula in Python's floats.
  const Interval eight = wilson(8, 10), half = wilson(50, 100);
  EXPECT_NEAR(eight.low, 0.4901625, 1e-6);
  EXPECT_NEAR(eight.high, 0.9433178, 1e-6);
  EXPECT_NEAR(half.low, 0.4038315, 1e-6);
  EXPECT_NEAR(half.high, 0.5961685, 1e-6);
  EXPECT_EQ(wilson(0, 5).low, 0);
  EXPECT_EQ(wilson(5, 5).high, 1);
  EXPECT_TRUE(std::isnan(wilson(0, 0).value));
}

}  // namespace
}  // namespace hn::run
