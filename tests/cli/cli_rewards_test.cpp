// Rewards as a catalogue, ensembles, monitors and guards, from the command line.
#include <cstdlib>

#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::operator+;
using hn::test::Outcome;
using hn::test::read_bytes;
using hn::test::TestFolder;
using hn::test::tiny_training;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

nlohmann::json row_of(const nlohmann::json& catalogue, const std::string& name) {
  for (const auto& row : catalogue.at("rewards"))
    if (row.at("name") == name) return row;
  return {};
}

TEST(Rewards, AreListedWithWhatOneShouldKnow) {
  const Outcome all = hnhost({"rewards", "--json"});
  ASSERT_EQ(all.code, 0) << all.err;
  const auto clip = row_of(all.json(), "clip");
  EXPECT_EQ(clip.at("model"), "tiny-clip");
  EXPECT_EQ(clip.at("weights").at("kind"), "embedded");
  EXPECT_EQ(clip.at("text_limit"), 32);
  EXPECT_EQ(row_of(all.json(), "clip-h14").at("weights").at("kind"), "required");
  EXPECT_EQ(row_of(all.json(), "judge").at("differentiable"), false);
  const auto sharpness = row_of(all.json(), "sharpness");
  EXPECT_EQ(sharpness.at("id"), "hn.reward.sharpness");
  EXPECT_EQ(sharpness.at("pitfalls").size(), 2u);
  EXPECT_TRUE(sharpness.at("measured").is_null());

  const Outcome one = hnhost({"rewards", "luma"});
  EXPECT_THAT(one.out, AllOf(HasSubstr("brightness"), HasSubstr("! Trained on alone")));
  EXPECT_THAT(one.out, ::testing::Not(HasSubstr("sharpness")));
  const Outcome none = hnhost({"rewards", "nothing"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("no reward 'nothing'"));
}

// The committed page is what the manifests say now: hnhost rewards --markdown > docs/rewards.md
TEST(Rewards, ThePageIsFresh) {
  const Outcome page = hnhost({"rewards", "--markdown"});
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_EQ(page.out, read_bytes(HN_SOURCE_DIR "/docs/rewards.md"));
}

TEST(Rewards, AreMeasuredOnceAndRemembered) {
  const TestFolder cache;
  ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  const Outcome measured = hnhost({"rewards", "--measure", "brightness", "judge", "--size", "64",
                                   "--seconds", "0.01", "--threads", "1", "--json"});
  ASSERT_EQ(measured.code, 0) << measured.err;
  const auto figures = row_of(measured.json(), "brightness").at("measured");
  EXPECT_GT(figures.at("forward_ms_batch1").get<double>(), 0);
  EXPECT_GT(figures.at("forward_backward_ms_batch8").get<double>(), 0);
  EXPECT_GT(figures.at("peak_memory_bytes").get<double>(), 1e6);
  EXPECT_FALSE(
      row_of(measured.json(), "judge").at("measured").contains("forward_backward_ms_batch1"))
      << "score-only";
  EXPECT_EQ(row_of(hnhost({"rewards", "--json"}).json(), "brightness").at("measured"), figures);

  const Outcome broken = hnhost({"rewards", "--measure", "clip", "--weights",
                                 "clip=" + cache.path().string(), "--seconds", "0.01", "--json"});
  ASSERT_EQ(broken.code, 0) << broken.err;
  EXPECT_TRUE(row_of(broken.json(), "clip").at("measured").contains("error"));
  const Outcome unknown = hnhost({"rewards", "--measure", "nothing"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("nothing"));
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(Ensembles, FlagsBecomeRewardTables) {
  const TestFolder folder;
  const Outcome dry =
      hnhost({"--reward", "redness=5,brightness=0.5", "--reward", "clip", "--reward-option",
              "brightness.every=4", "--reward-option", "clip.preprocess=official",
              "--reward-option", "clip.batch=2", "--monitor", "sharpness=7", "--guard",
              "sharpness=drop:0.5,lower", "--reward-normalise", "--dry-run"});
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.out,
              AllOf(HasSubstr("name = \"redness\"\nweight = 5.0"),
                    HasSubstr("name = \"brightness\"\nweight = 0.5\ntrain = true\nweights = "
                              "\"\"\nevery = 4"),
                    HasSubstr("preprocess = \"official\""), HasSubstr("every = 1\nbatch = 2"),
                    HasSubstr("name = \"sharpness\"\nweight = 1.0\ntrain = false\nweights = "
                              "\"\"\nevery = 7"),
                    HasSubstr("reward = \"sharpness\"\ndrop = 0.5\npolicy = \"lower\""),
                    HasSubstr("reward_normalise = true")));
  EXPECT_THAT(dry.out, HasSubstr("emoji-sprint-redness-brightness-clip\""));
}

TEST(Ensembles, MistakesAreNamed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--reward", "redness,redness=2"}, "redness is given twice"},
      {{"--reward", "redness", "--reward-option", "clip.every=2"},
       "no --reward or --monitor 'clip'"},
      {{"--reward", "redness", "--reward-option", "every=2"}, "NAME.KEY=VALUE"},
      {{"--reward", "redness", "--monitor", "redness"}, "trained on"},
      {{"--reward", "redness", "--monitor", "judge=0"}, "expected a whole number from 1"},
      {{"--reward", "redness", "--guard", "judge"}, "NAME=BOUND"},
      {{"--reward", "redness", "--guard", "judge=1,panic"}, "stop or ,lower"},
      {{"--reward", "redness", "--guard", "judge=0.5"}, "that runs in training"},
      {{"--reward", "redness", "--weights", "clip=/tmp"}, "no --reward or --monitor 'clip'"},
      {{"--reward", "redness", "--weights", "/a", "--weights", "/b"}, "given twice"}};
  for (const auto& [arguments, text] : cases) {
    const Outcome outcome = hnhost(arguments + std::vector<std::string>{"--dry-run"});
    EXPECT_EQ(outcome.code, 2) << text;
    EXPECT_THAT(outcome.err, HasSubstr(text));
  }
}

// Whoever wants the paper's ensemble hears of all missing weights at once.
TEST(Ensembles, ThePaperNamesEverythingThatIsMissing) {
  const Outcome outcome = hnhost({"--reward", "paper", "--dry-run"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("4 rewards cannot be used"), HasSubstr("hps"),
                    HasSubstr("imagereward"), HasSubstr("pickscore"), HasSubstr("clip-h14")));
}

TEST(Ensembles, TrainAndReport) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  const auto training = tiny_training(folder.path(), run, 9) +
                        std::vector<std::string>{
                            "--reward",  "brightness=0.5", "--reward-option", "brightness.every=2",
                            "--monitor", "sharpness=2",    "--set",           "train.watch=3",
                            "--json"};
  const Outcome outcome = hnhost(training);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream rows(read_bytes(run / "metrics.jsonl"));
  std::vector<bool> brightness, sharpness;
  for (std::string line; std::getline(rows, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.at("kind") != "train") continue;
    EXPECT_TRUE(row.at("reward").is_number());
    brightness.push_back(row.at("rewards").contains("brightness"));
    sharpness.push_back(row.at("rewards").contains("sharpness"));
  }
  const auto odd = ElementsAre(true, false, true, false, true, false, true, false, true);
  EXPECT_THAT(brightness, odd);
  EXPECT_THAT(sharpness, odd);
  const auto summary = outcome.json();
  ASSERT_EQ(summary.at("monitors").size(), 1u);
  EXPECT_EQ(summary.at("monitors").at(0).at("name"), "sharpness");
  EXPECT_EQ(summary.at("monitors").at(0).at("measurements"), 5);
  EXPECT_TRUE(summary.at("stopped").is_null());
  EXPECT_THAT(read_bytes(run / "report.html"),
              AllOf(HasSubstr("<h2>Monitors</h2>"), HasSubstr("divergence")));
}

TEST(Ensembles, AGuardStopsARun) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  const auto training =
      tiny_training(folder.path(), run, 30) +
      std::vector<std::string>{"--monitor", "sharpness=1", "--guard", "sharpness=1000", "--json"};
  const Outcome outcome = hnhost(training);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json().at("step"), 4);
  EXPECT_THAT(outcome.json().at("stopped").get<std::string>(), HasSubstr("guard sharpness"));
  EXPECT_THAT(outcome.err, HasSubstr("worse than the bound 1000"));
  EXPECT_EQ(outcome.json().at("warnings").at(0).at("step"), 4);
  EXPECT_THAT(read_bytes(run / "report.html"), HasSubstr("Stopped early"));
  EXPECT_EQ(hnhost(training).json().at("step"), 4) << "a stopped run is finished";
}

}  // namespace
