#include <limits>

#include "report/svg.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Svg, Base64) {  // RFC 4648, 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

TEST(Svg, EscapesMarkup) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
}

TEST(Svg, RoundTicks) {
  EXPECT_THAT(nice_ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, testing::DoubleEq(0.2 * 3), 0.8, 1));
  EXPECT_THAT(nice_ticks(-3, 43, 5), ElementsAre(0, 10, 20, 30, 40));
  EXPECT_TRUE(nice_ticks(1, 1, 5).empty());
}

TEST(Svg, NumbersForPeople) {
  EXPECT_EQ(number_text(0.123456), "0.1235");
  EXPECT_EQ(number_text(1e-17), "0");
  EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(Svg, ChartHoldsCurvesAndBreaksThemAtGaps) {
  Series series{"a<b", {1, 2, 3, 4}, {1, 2, std::numeric_limits<double>::quiet_NaN(), 4}};
  const std::string chart = svg_chart({"title", "step", "score", {series, series}});
  EXPECT_THAT(chart, HasSubstr("<svg"));
  EXPECT_THAT(chart, HasSubstr("a&lt;b"));
  EXPECT_THAT(chart, Not(HasSubstr("nan")));
  const std::size_t path = chart.find("<path d=\"");
  const std::string d = chart.substr(path, chart.find("/>", path) - path);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 2);
}

TEST(Svg, NothingMeasuredIsSaid) {
  EXPECT_THAT(svg_chart({"t", "x", "y", {}}), HasSubstr("nothing measured"));
}

TEST(Svg, ASinglePointIsADot) {
  EXPECT_THAT(svg_chart({"t", "x", "y", {{"one", {3}, {0}}}}), HasSubstr("<circle"));
}

}  // namespace
}  // namespace hn::host
