#include <limits>

#include "run/metrics.hpp"
#include "unit/common_test_files.hpp"

namespace hn::run {
namespace {

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
  MetricsFile(file, 10).append({{"step", 2u}});
  EXPECT_EQ(read_bytes(file), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(Metrics, BrokenLinesEndTheList) {
  const TestFolder folder;
  for (const char* line :
       {"nonsense\n", "[1]\n", "{\"step\":-1}\n", "{\"step\":\"a\"}\n", "{}\n"}) {
    const auto file = folder.write("m", std::string("{\"step\":1}\n") + line + "{\"step\":2}\n");
    EXPECT_EQ(read_metrics(file).size(), 1u) << line;
  }
  EXPECT_TRUE(read_metrics(folder.path() / "absent").empty());
}

TEST(Metrics, TextThatIsNotUtf8IsReplaced) {
  const TestFolder folder;
  const auto file = folder.path() / "m";
  MetricsFile(file, 0).append({{"step", 1u}, {"why", "cut \xc3"}});
  EXPECT_EQ(read_metrics(file).size(), 1u);
}

}  // namespace
}  // namespace hn::run
