#include "report/summary.hpp"
#include "run/finished_run.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::TestFolder;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

ordered_json summary() {
  const ordered_json mean = {{"mean", 0.5}, {"se", nullptr}, {"n", 2}};
  ordered_json row = {{"name", "redness"},  {"trained", true}, {"higher_is_better", true},
                      {"before", mean},     {"after", mean},   {"difference", mean},
                      {"verdict", "better"}};
  ordered_json out = {{"name", "run"},       {"generator", "g"}, {"method", "noise hypernetwork"},
                      {"step", 2},           {"steps", 2},       {"seed", 0},
                      {"train_seconds", 1.0}};
  out["measures"] = ordered_json::array({row});
  return out;
}

TEST(Summary, EveryKeyThatItsReaderTakes) {
  const TestFolder folder;
  const auto file = folder.write("summary.json", summary().dump());
  EXPECT_EQ(read_summary(file, SummaryUse::kAnswer), summary());
  const auto refused = [&](const std::string& text, const std::string& what) {
    folder.write("summary.json", text);
    expect_error(HN_DATA_LOSS, {file.string(), what, "remove it"},
                 [&] { read_summary(file, SummaryUse::kAnswer); });
  };
  refused("", "expected JSON");
  refused("{}", "the key measures");
  refused("[]", "the key measures");
  for (const char* key :
       {"name", "generator", "method", "step", "steps", "seed", "measures", "train_seconds"}) {
    ordered_json less = summary();
    less.erase(key);
    refused(less.dump(), "the key " + std::string(key));
    less[key] = nullptr;
    refused(less.dump(), "the key " + std::string(key));
  }
  for (const char* key :
       {"name", "trained", "higher_is_better", "before", "after", "difference", "verdict"}) {
    ordered_json less = summary();
    less["measures"][0].erase(key);
    refused(less.dump(), "the key " + std::string(key));
  }
}

TEST(FinishedRun, WhatIsMissingOrChanged) {
  const TestFolder folder;
  const RunDirectory run(folder.path() / "run", "seed = 1\n", false);
  const auto write = [&](const fs::path& file, const char* text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  };
  for (const char* name : {"adapter/adapter_model.safetensors", "adapter/adapter_config.json",
                           "scores.json", "report.html", "samples/before.png", "samples/after.png"})
    write(run.root() / name, name);
  ordered_json finished = summary();
  finished["files"] = file_sums(run);
  ASSERT_EQ(finished["files"].size(), 3u);
  EXPECT_TRUE(missing_or_changed(run, finished).empty());
  write(run.adapter() / "adapter_model.safetensors", "of another step");
  fs::remove(run.adapter() / "adapter_config.json");
  fs::remove(run.samples() / "before.png");
  EXPECT_EQ(missing_or_changed(run, finished),
            (std::vector<std::string>{
                "adapter/adapter_model.safetensors has other bytes than the run wrote",
                "adapter/adapter_config.json is missing", "samples/before.png is missing"}));
  // A summary without sums: of an earlier release.
  EXPECT_EQ(missing_or_changed(run, summary()).size(), 1u);
  fs::remove_all(run.adapter());
  EXPECT_EQ(missing_or_changed(run, summary()).back(), "adapter is missing");
}

}  // namespace
}  // namespace hn::host
