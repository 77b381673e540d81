#include <cmath>

#include "report/divergence.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

// A run of 60 steps; the monitor is measured every third one.
std::vector<nlohmann::json> rows(double trained_slope, double monitor_slope) {
  std::vector<nlohmann::json> out;
  for (int step = 1; step <= 60; ++step) {
    const double noise = 0.02 * std::sin(12.9898 * step);
    nlohmann::json row = {
        {"step", step}, {"kind", "train"}, {"reward", trained_slope * step + noise}};
    row["rewards"] = {{"clip", 1.0}};
    if (step % 3 == 1) row["rewards"]["judge"] = monitor_slope * step - 3 * noise;
    out.push_back(row);
  }
  out.push_back({{"step", 60}, {"kind", "eval"}, {"means", {{"judge", 9.0}}}});
  return out;
}

TEST(DivergenceTest, TrainedUpAndMonitorDownDiverge) {
  const Divergence d = divergence(rows(0.02, -0.05), "judge", true);
  ASSERT_EQ(d.steps.size(), 20u);
  EXPECT_EQ(d.verdict(), "diverging");
  EXPECT_GT(d.gap.back(), 5);
  EXPECT_NEAR(d.gap.back(), d.trained.back() - d.monitored.back(), 1e-12);
}

TEST(DivergenceTest, DirectionDecides) {
  EXPECT_EQ(divergence(rows(0.02, -0.05), "judge", /*higher_is_better=*/false).verdict(),
            "together");
  EXPECT_EQ(divergence(rows(0.02, 0.05), "judge", true).verdict(), "together");
  EXPECT_EQ(divergence(rows(0.02, 0), "judge", true).verdict(), "no clear change");
}

TEST(DivergenceTest, TooFewMeasurementsSayNothing) {
  auto few = rows(0.02, -0.05);
  few.resize(9);
  EXPECT_TRUE(divergence(few, "judge", true).steps.empty());
  EXPECT_EQ(divergence(few, "judge", true).verdict(), "no clear change");
  EXPECT_TRUE(divergence(rows(1, 1), "nobody", true).steps.empty());
}

}  // namespace
}  // namespace hn::host
