#include <nlohmann/json.hpp>

#include "report/compare.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;
using nlohmann::json;

json measure(const std::string& name) {
  return {{"name", name}, {"higher_is_better", true}, {"trained", name == "redness"}};
}

// A finished run of two prompts whose redness rises by `gain` and whose clip falls by it.
std::string fake_run(const TestFolder& folder, const std::string& name, int seed, double gain) {
  const auto path = folder.path() / name;
  std::filesystem::create_directories(path);
  const json summary = {{"seed", seed},
                        {"method", "noise hypernetwork"},
                        {"step", 2},
                        {"train_seconds", 1.0},
                        {"measures", {measure("redness"), measure("clip")}}};
  const json scores = {
      {"prompts", {"a", "b"}},
      {"seeds", {1}},
      {"before", {{"kl", 0}, {"columns", {{"redness", {0.1, 0.2}}, {"clip", {0.7, 0.6}}}}}},
      {"after",
       {{"kl", 1},
        {"columns",
         {{"redness", {0.1 + gain, 0.2 + 1.1 * gain}}, {"clip", {0.7 - gain, 0.6 - gain}}}}}}};
  std::ofstream(path / "summary.json") << summary;
  std::ofstream(path / "scores.json") << scores;
  std::ofstream(path / "metrics.jsonl")
      << json{{"step", 0u}, {"kind", "eval"}, {"means", {{"redness", 0.15}, {"clip", 0.65}}}}
      << "\n"
      << json{{"step", 1u}, {"kind", "train"}} << "\n"
      << json{{"step", 2u}, {"kind", "eval"}, {"means", {{"redness", 0.3}, {"clip", 0.5}}}} << "\n";
  return path.string();
}

TEST(Compare, PoolsSeedsAndDrawsThePage) {
  const TestFolder folder;
  const std::string a = fake_run(folder, "a", 0, 0.2);
  const std::string b = fake_run(folder, "b", 1, 0.22);
  const std::string c = fake_run(folder, "c", 0, 0.6);
  const std::string page = (folder.path() / "page.html").string();
  const json answer = json::parse(compare_runs(
      "out = \"" + page + "\"\nx = \"redness\"\n[[group]]\nlabel = \"hyper\"\nruns = [\"" + a +
      "\", \"" + b + "\"]\n[[group]]\nlabel = \"fine\"\nruns = [\"" + c + "\"]\n"));
  ASSERT_EQ(answer["groups"].size(), 2u);
  const json& rows = answer["groups"][0]["measures"];
  for (const auto& row : rows) {
    if (row["name"] != "redness") continue;
    EXPECT_NEAR(row["difference"]["mean"].get<double>(), 0.2205, 1e-9);
    EXPECT_EQ(row["difference"]["n"], 2);
    EXPECT_EQ(row["verdict"], "better");
  }
  const std::string html = read_bytes(page);
  EXPECT_THAT(html, ::testing::HasSubstr("clip over redness"));
  EXPECT_THAT(html, ::testing::HasSubstr("hyper, seed 1"));
  EXPECT_THAT(html, ::testing::HasSubstr("2 seed(s)"));
  EXPECT_THAT(html, ::testing::Not(::testing::HasSubstr("nan")));
}

TEST(Compare, Mistakes) {
  const TestFolder folder;
  const std::string a = fake_run(folder, "a", 0, 0.2);
  const std::string begin = "out = \"" + (folder.path() / "p.html").string() + "\"\n";
  const std::string group = "[[group]]\nlabel = \"g\"\nruns = [\"" + a + "\"]\n";
  expect_error(HN_INVALID_ARGUMENT, {"rednes", "redness"},
               [&] { compare_runs(begin + "x = \"rednes\"\n" + group); });
  expect_error(HN_INVALID_ARGUMENT, {"[[group]]"},
               [&] { compare_runs(begin + "x = \"redness\"\n"); });
  expect_error(HN_NOT_FOUND, {"summary.json", "/nowhere"}, [&] {
    compare_runs(begin + "x = \"redness\"\n[[group]]\nlabel = \"g\"\nruns = [\"/nowhere\"]\n");
  });
  expect_error(HN_INVALID_ARGUMENT, {"titel"},
               [&] { compare_runs(begin + "titel = \"t\"\nx = \"redness\"\n" + group); });
  std::ofstream(folder.path() / "a" / "scores.json") << "{}";
  expect_error(HN_DATA_LOSS, {"scores.json", "prompts"},
               [&] { compare_runs(begin + "x = \"redness\"\n" + group); });
}

}  // namespace
}  // namespace hn::host
