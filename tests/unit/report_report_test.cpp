#include "report/report.hpp"

#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

nlohmann::ordered_json mean(double value, double error) {
  return {{"mean", value}, {"se", error}, {"n", 64}};
}

nlohmann::ordered_json summary() {
  nlohmann::ordered_json s;
  s["name"] = "a <run>";
  s["generator"] = "emoji-sprint";
  s["method"] = "noise hypernetwork";
  s["step"] = 2;
  s["steps"] = 2;
  s["trainable"] = 1000;
  s["measures"] = nlohmann::ordered_json::array(
      {{{"name", "redness"},
        {"trained", true},
        {"before", mean(0.1, 0.01)},
        {"after", mean(0.3, 0.01)},
        {"difference", mean(0.2, 0.01)},
        {"verdict", "better"}},
       {{"name", "judge"},
        {"trained", false},
        {"before", mean(0.4, 0.01)},
        {"after", mean(0.4, 0.01)},
        {"difference", {{"mean", nullptr}, {"se", nullptr}, {"n", 0}}},
        {"verdict", "no clear change"}}});
  s["kl"] = 12.5;
  s["lipschitz"] = 0.7;
  s["evaluation"] = {{"prompts", 64}, {"seeds", {1}}};
  s["train_seconds"] = 3.0;
  s["samples_per_second"] = 100.0;
  s["skipped_steps"] = 0;
  s["peak_memory_bytes"] = 1 << 20;
  return s;
}

std::string page() {
  const std::vector<nlohmann::json> metrics = {
      {{"step", 0}, {"kind", "eval"}, {"means", {{"redness", 0.1}, {"judge", 0.4}}}},
      {{"step", 1},
       {"kind", "train"},
       {"rewards", {{"redness", 0.1}}},
       {"kl", 0.0},
       {"loss", 1.0},
       {"grad_norm", 0.5}},
      {{"step", 2},
       {"kind", "train"},
       {"rewards", {{"redness", 0.3}}},
       {"kl", 2.0},
       {"loss", 0.5},
       {"grad_norm", nullptr}}};
  const Image red = {1, 1, {255, 0, 0}};
  return run_report(summary(), metrics, {{"a \"cat\" & <b>", red, red}}, "seed = 1\n");
}

TEST(Report, HoldsTableCurvesPicturesAndConfiguration) {
  const std::string html = page();
  for (const char* part :
       {"redness", "0.2 ± 0.01", "better", "no clear change", "measured only", "<svg",
        "data:image/png;base64,", "seed = 1", "emoji-sprint", "Lipschitz", "64 held-out prompts"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST(Report, SaysWhatTheNoiseNetworkIsAndCosts) {
  EXPECT_THAT(page(), Not(HasSubstr("noise network")));
  nlohmann::ordered_json s = summary();
  s["noise_network"] = {
      {"type", "low-frequency"}, {"parameters", 12345},         {"flops", 1234567},
      {"condition_size", 5},     {"delta_milliseconds", 0.125}, {"picture_milliseconds", 12.5}};
  EXPECT_THAT(run_report(s, {}, {}, ""),
              HasSubstr("low-frequency, 12,345 parameters, 1,234,567 floating-point operations a "
                        "delta, 0.125 ms a picture, 1 % of the picture&#39;s time"));
  s["noise_network"]["flops"] = nullptr;
  s["noise_network"]["parameters"] = 123;
  s["noise_network"].erase("delta_milliseconds");
  EXPECT_THAT(run_report(s, {}, {}, ""),
              HasSubstr("low-frequency, 123 parameters, operations a delta not known<"));
  s["noise_network"] = nullptr;
  EXPECT_THAT(run_report(s, {}, {}, ""), Not(HasSubstr("noise network")));
}

TEST(Report, SaysWhatWasNotAnswered) {
  EXPECT_THAT(page(), Not(HasSubstr("not answered")));
  nlohmann::ordered_json s = summary();
  s["unanswered"] = {{{"reward", "judge"}, {"prompts", 1}, {"of", 64}, {"why", "no word <x>"}}};
  const std::string html = run_report(s, {}, {}, "");
  EXPECT_THAT(html, HasSubstr("judge: 1 of 64 prompts not answered"));
  EXPECT_THAT(html, HasSubstr("no word &lt;x&gt;"));
}

TEST(Report, NothingIsLoadedFromElsewhere) {
  const std::string html = page();
  for (const char* part : {"http://", "https://", "<script", "<link", "src=\"/", "@import", "url("})
    EXPECT_THAT(html, Not(HasSubstr(part)));
}

TEST(Report, TextIsEscaped) {
  const std::string html = page();
  EXPECT_THAT(html, HasSubstr("a &quot;cat&quot; &amp; &lt;b&gt;"));
  EXPECT_THAT(html, HasSubstr("a &lt;run&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<run>")));
}

TEST(Report, LargePicturesAreShrunk) {
  Image large;
  large.width = large.height = 1024;
  large.rgb.resize(std::size_t{3} * 1024 * 1024);
  for (std::size_t i = 0; i < large.rgb.size(); ++i)
    large.rgb[i] = static_cast<std::uint8_t>(i * i);
  const std::string table = picture_table({{"p", large, large}}, "before", "after");
  EXPECT_LT(table.size(), std::size_t{2} * 256 * 256 * 3 * 2);
}

}  // namespace
}  // namespace hn::host
