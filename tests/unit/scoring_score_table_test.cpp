#include <limits>

#include "scoring/score_table.hpp"
#include "scoring/statistics.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;

const std::vector<std::string> kRewards = {"clip", "judge"};

class ScoreTableTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file() const {
    return folder_.path() / (std::string("scores") + GetParam());
  }
  std::vector<ScoreItem> all() const { return {cat_, dog_, cow_}; }
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
    ScoreTable table(file(), kRewards, all());
    EXPECT_FALSE(table.has(cat_));
    table.append(row(cat_, 0.25, 1));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    table.append(row(cow_, nan, nan, "broken, sadly"));
    EXPECT_TRUE(table.has(cat_));
    EXPECT_FALSE(table.has(cow_)) << "what failed is tried again";
  }
  const std::vector<ScoreItem> some = {cat_, dog_};
  const std::string whole = read_bytes(file());
  std::ofstream(file(), std::ios::app) << "{\"image\": \"dog.png\", \"sco";
  {
    ScoreTable table(file(), kRewards, some);
    EXPECT_TRUE(table.has(cat_));
    EXPECT_FALSE(table.has(dog_));
    EXPECT_EQ(read_bytes(file()), whole) << "half a row is cut off";
    table.append(row(dog_, 0.5, 0));
  }
  EXPECT_EQ(ScoreTable(file(), kRewards, some).size(), 2u);
  EXPECT_EQ(read_bytes(file()).substr(0, whole.size()), whole);
}

// Two rows that differ in what the prompt has beside its text are two rows, and so read again.
TEST_P(ScoreTableTest, KeepsTheWholePrompt) {
  ScoreItem facts{"cat.png", "cat.png", "a cat"}, others = facts, masked = facts;
  facts.prompt.json = R"({"include":[{"class":"cat"}],"tag":"=colors"})";
  others.prompt.json = R"({"tag":"counting"})";
  masked.prompt.negative = "-a dog, \"red\"";
  masked.prompt_pictures = {{"mask", "masks/=cat.png"}};
  const std::vector<ScoreItem> items = {cat_, facts, others, masked};
  {
    ScoreTable table(file(), kRewards, items);
    table.append(row(facts, 1, 2));
    table.append(row(masked, 3, 4));
  }
  const ScoreTable table(file(), kRewards, items);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_TRUE(table.has(facts) && table.has(masked));
  EXPECT_FALSE(table.has(others)) << "other facts";
  EXPECT_FALSE(table.has({"cat.png", "cat.png", "a cat"})) << "no facts";
  ScoreItem elsewhere = masked;
  elsewhere.prompt_pictures[0].second = "masks/dog.png";
  EXPECT_FALSE(table.has(elsewhere)) << "another mask";
}

TEST_P(ScoreTableTest, OtherRewardsAreRefused) {
  { ScoreTable(file(), kRewards, {}).append(row(cat_, 1, 2)); }
  expect_error(HN_INVALID_ARGUMENT, {"hps", "clip, judge", "another file"},
               [&] { ScoreTable(file(), {"hps"}, {}); });
  folder_.write(std::string("other") + GetParam(), "something else\n1\n");
  expect_error(HN_INVALID_ARGUMENT, {"other"}, [&] {
    ScoreTable(folder_.path() / (std::string("other") + GetParam()), kRewards, {});
  });
}

TEST_P(ScoreTableTest, ARowWithAnErrorGivesWayToTheNext) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  {
    ScoreTable table(file(), kRewards, all());
    table.append(row(cat_, nan, nan, "broken"));
    table.append(row(dog_, 0.5, 0));
    table.append(row(cow_, nan, nan, "=broken\ntoo"));
  }
  const std::string before = read_bytes(file());
  { ScoreTable(file(), kRewards, {}); }
  EXPECT_EQ(read_bytes(file()), before) << "rows of other pictures stay";
  {
    const std::vector<ScoreItem> some = {cat_, dog_};
    ScoreTable table(file(), kRewards, some);
    EXPECT_FALSE(table.has(cat_));
    EXPECT_TRUE(table.has(dog_));
    table.append(row(cat_, 1, 2));
  }
  const std::string after = read_bytes(file());
  EXPECT_EQ(after.find("\"broken\""), std::string::npos);
  EXPECT_NE(after.find("=broken"), std::string::npos) << "the cow's";
  const ScoreTable last(file(), kRewards, all());
  EXPECT_EQ(last.size(), 2u);
  EXPECT_EQ(read_bytes(file()).find("=broken"), std::string::npos);
}

TEST_P(ScoreTableTest, TextsOfAnyKindReadBack) {
  std::vector<ScoreItem> items;
  for (const char* text : {"=1+1", "+a", "-0.5", "@x", "\tx", "'=1", "'", "a,\"b\"", "\r", "l\nm"})
    items.push_back({std::string("x") + text + ".png", "f", text});
  for (const char* name : {"=a.png", "caf\\xe9.png", "caf\\x5cxe9.png"})
    items.push_back({name, "f", ""});
  {
    ScoreTable table(file(), kRewards, items);
    for (const ScoreItem& item : items) table.append(row(item, -0.5, 0));
  }
  const ScoreTable again(file(), kRewards, items);
  EXPECT_EQ(again.size(), items.size());
  for (const ScoreItem& item : items) EXPECT_TRUE(again.has(item)) << item.image;
  EXPECT_NE(read_bytes(file()).find("-0.5"), std::string::npos);
  EXPECT_EQ(read_bytes(file()).find("'-0.5,0"), std::string::npos) << "numbers stay numbers";
}

TEST_P(ScoreTableTest, ADamagedRowBeforeTheLastIsNotTheEnd) {
  {
    ScoreTable table(file(), kRewards, all());
    table.append(row(cat_, 0.25, 1));
    table.append(row(dog_, 0.5, 1));
    table.append(row(cow_, 0.75, 1));
  }
  std::string bytes = read_bytes(file());
  bytes[bytes.find("dog.png") - 1] = '"';
  bytes[bytes.find("a dog") - 1] = GetParam() == std::string(".csv") ? ',' : '}';
  std::ofstream(file()) << bytes;
  expect_error(HN_DATA_LOSS, {"scores", "line"}, [&] { ScoreTable(file(), kRewards, {}); });
  EXPECT_EQ(read_bytes(file()), bytes) << "nothing is lost";
}

INSTANTIATE_TEST_SUITE_P(Each, ScoreTableTest, ::testing::Values(".jsonl", ".csv"),
                         [](const auto& param) { return std::string(param.param + 1); });

TEST(ScoreTableCsv, ACutInsideAQuotedCellIsFound) {
  const hn::test::TestFolder folder;
  const auto file = folder.write(
      "t.csv", "image,prompt,clip,error\na.png,x,1.0,\n\"b.png\",\"half\na prompt with\n");
  const ScoreTable table(file, {"clip"}, {});
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
}  // namespace hn::host
