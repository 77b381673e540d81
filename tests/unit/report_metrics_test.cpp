#include <limits>

#include "report/metrics.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;

TEST(Metrics, OneLineARowAndNullForWhatIsNotFinite) {
  const TestFolder folder;
  const auto file = folder.path() / "metrics.jsonl";
  MetricsFile metrics(file, 0);
  metrics.append({{"step", 1u}, {"reward", 0.5}});
  metrics.append({{"step", 2u}, {"reward", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_EQ(read_bytes(file), "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"reward\":null}\n");
  EXPECT_EQ(read_metrics(file).size(), 2u);
}

TEST(Metrics, ResumeDropsWhatIsDoneAgain) {
  const TestFolder folder;
  const auto file = folder.path() / "metrics.jsonl";
  {
    MetricsFile metrics(file, 0);
    for (unsigned step = 1; step <= 5; ++step) metrics.append({{"step", step}});
  }
  MetricsFile(file, 3).append({{"step", 4u}, {"again", true}});
  const auto rows = read_metrics(file);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[3].at("again").get<bool>());
}

TEST(Metrics, HalfALineIsDropped) {
  const TestFolder folder;
  const auto file = folder.write("metrics.jsonl", "{\"step\":1}\n{\"step\":2,\"rew");
  EXPECT_EQ(read_metrics(file).size(), 1u);
  MetricsFile(file, 1).append({{"step", 2u}});
  EXPECT_EQ(read_bytes(file), "{\"step\":1}\n{\"step\":2}\n");
}

// Nothing is cut: the rows behind a damaged one are somebody's.
TEST(Metrics, ADamagedLineIsRefusedByItsNumber) {
  const TestFolder folder;
  for (const char* line :
       {"nonsense\n", "[1]\n", "{\"step\":-1}\n", "{\"step\":\"a\"}\n", "{}\n", "\n",
        "{\"step\":0}\n", "{\"step\":2,\"kind\":3}\n", "{\"step\":2,\"kind\":\"train\"}\n"}) {
    const std::string text = std::string("{\"step\":1}\n") + line + "{\"step\":2}\n";
    const auto file = folder.write("metrics.jsonl", text);
    expect_error(HN_DATA_LOSS, {"metrics.jsonl:2:", "--overwrite"}, [&] { read_metrics(file); });
    expect_error(HN_DATA_LOSS, {"metrics.jsonl:2:"}, [&] { MetricsFile(file, 3); });
    EXPECT_EQ(read_bytes(file), text);
    // Behind what is kept it is done again.
    MetricsFile(file, 1).append({{"step", 2u}});
    EXPECT_EQ(read_metrics(file).size(), 2u);
  }
  EXPECT_TRUE(read_metrics(folder.path() / "absent").empty());
}

TEST(Metrics, ALostLineEndIsNoUnfinishedLine) {
  const TestFolder folder;
  const auto file = folder.write("metrics.jsonl", "{\"step\":1}{\"step\":2}\n{\"step\":3}\n");
  expect_error(HN_DATA_LOSS, {"metrics.jsonl:1:"}, [&] { read_metrics(file); });
}

TEST(Metrics, RowsThatTheCheckpointHasMustBeThere) {
  const TestFolder folder;
  const auto file = folder.write("metrics.jsonl", "{\"step\":1}\n{\"step\":2");
  expect_error(HN_DATA_LOSS, {"metrics.jsonl:2:", "behind 2 rows, the file has 1"},
               [&] { MetricsFile(file, 2); });
  expect_error(HN_DATA_LOSS, {"behind 1 rows, the file has 0"},
               [&] { MetricsFile(folder.path() / "absent", 1); });
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "absent"));
}

TEST(Metrics, CountsItsRows) {
  const TestFolder folder;
  MetricsFile metrics(folder.write("m", "{\"step\":1}\n{\"step\":2}\n"), 1);
  EXPECT_EQ(metrics.rows(), 1u);
  metrics.append({{"step", 2u}});
  EXPECT_EQ(metrics.rows(), 2u);
}

TEST(Metrics, TextThatIsNotUtf8IsReplaced) {
  const TestFolder folder;
  const auto file = folder.path() / "m";
  MetricsFile(file, 0).append({{"step", 1u}, {"why", "cut \xc3"}});
  EXPECT_EQ(read_metrics(file).size(), 1u);
}

}  // namespace
}  // namespace hn::host
