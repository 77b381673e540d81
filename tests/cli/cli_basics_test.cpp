// Help, exit codes, and the verbs that run no model.
#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::Outcome;
using hn::test::TestFolder;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Help, EveryVerbExplainsItself) {
  const Outcome top = hnhost({"--help"});
  EXPECT_EQ(top.code, 0);
  EXPECT_THAT(top.out, HasSubstr("Examples:"));
  EXPECT_THAT(top.out, HasSubstr("Exit codes:"));
  for (const char* verb : {"train", "sample", "score", "compare", "list", "inspect", "selftest",
                           "validate", "search", "headroom", "new", "demo", "version"}) {
    EXPECT_THAT(top.out, HasSubstr(verb));
    const Outcome help = hnhost({verb, "--help"});
    EXPECT_EQ(help.code, 0) << verb;
    EXPECT_THAT(help.out, HasSubstr("--json")) << verb;
    EXPECT_THAT(help.out, HasSubstr("Usage: hnhost " + std::string(verb))) << verb;
    if (std::string(verb) != "version") EXPECT_THAT(help.out, HasSubstr("Example")) << verb;
    EXPECT_EQ(help.err, "") << verb;
  }
}

TEST(Help, Version) {
  EXPECT_THAT(hnhost({"--version"}).out, HasSubstr("hnhost 1."));
  EXPECT_EQ(hnhost({"version", "--json"}).json().at("abi").at("major"), 1);
}

TEST(Validate, ListsItsChecks) {
  const Outcome people = hnhost({"validate", "--list"});
  EXPECT_EQ(people.code, 0) << people.err;
  EXPECT_THAT(people.out, HasSubstr("gradient.finite_differences\n    The gradients are those"));
  const auto checks = hnhost({"validate", "--list", "--json"}).json().at("checks");
  EXPECT_GT(checks.size(), 50u);
  EXPECT_EQ(checks.at(0).at("check"), "entry.loads");
}

TEST(Validate, RunsChosenChecksWithWhatTheyNeed) {
  const Outcome outcome = hnhost(
      {"validate", "redness", "--check", "forward.batch*", "--check", "plan.bytes", "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  std::vector<std::string> names;
  const auto answer = outcome.json();
  for (const auto& row : answer.at("checks")) names.push_back(row.at("check"));
  EXPECT_THAT(names,
              ::testing::ElementsAre("entry.loads", "create.works", "open.works", "forward.works",
                                     "plan.bytes", "forward.batch", "forward.batch_independent"));
  const Outcome unknown = hnhost({"validate", "redness", "--check", "foward.batch"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no check 'foward.batch'; did you mean 'forward.batch'"));
}

TEST(Validate, ASourceFolderSaysBuildFirst) {
  const Outcome outcome = hnhost({"validate", HN_SOURCE_DIR "/plugins/rewards/redness"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("build first"));
  EXPECT_EQ(hnhost({"validate"}).code, 2) << "neither a bundle nor --list";
}

TEST(Validate, OptionsReachThePlugin) {
  const Outcome outcome = hnhost({"validate", HN_BUILD_DIR "/tests/plugins/broken.hnp", "--set",
                                  "defect=fails_to_create", "--check", "open.*"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("no instance today"));
  EXPECT_THAT(outcome.out, HasSubstr("not run: needs create.works"));
  EXPECT_THAT(outcome.out, HasSubstr("1 passed, 1 failed, 0 skipped, 2 not run"));
}

TEST(Usage, MistakesAreTwoAndSilentOnStdout) {
  const std::vector<std::vector<std::string>> mistakes = {
      {},
      {"trian"},
      {"train", "--bogus"},
      {"--reward"},
      {"train"},
      {"--reward", "clip=much"},
      {"--reward", "=1"},
      {"--reward", "redness", "--set", "no-equals"},
      {"--reward", "redness", "--set", "train.lr=fast"},
      {"--reward", "redness", "--set", "train.stepz=3"},
      {"--reward", "redness", "--config", "/no/such/file.toml"},
      {"--reward", "redness", "--steps", "many"},
      {"--reward", "redness", "--net", "hyper"},
      {"--reward", "judge"},
      {"--reward", "rednes"},
      {"--generator", "emoji-sprnt", "--reward", "redness"},
      {"inspect"},
      {"new", "reward"},
      {"score", "--image", "x.png"},
      {"compare", "run"},
      {"demo", "--seeds", "0"},
      {"search", "--reward", "redness"},
      {"search", "--out-dir", "found"},
      {"search", "--reward", "redness", "--out-dir", "found", "--n", "0"},
      {"headroom"},
      {"headroom", "--reward", "redness", "--seeds", "1"}};
  for (const auto& words : mistakes) {
    const Outcome outcome = hnhost(words);
    EXPECT_EQ(outcome.code, 2) << ::testing::PrintToString(words) << outcome.err;
    EXPECT_EQ(outcome.out, "") << ::testing::PrintToString(words);
    EXPECT_NE(outcome.err, "") << ::testing::PrintToString(words);
  }
}

TEST(Usage, MessagesNameTheNearest) {
  EXPECT_THAT(hnhost({"--reward", "rednes"}).err, HasSubstr("redness"));
  EXPECT_THAT(hnhost({"--reward", "redness", "--generator", "emoji-sprnt"}).err,
              HasSubstr("emoji-sprint"));
  EXPECT_THAT(hnhost({"--reward", "redness", "--set", "train.stepz=3"}).err, HasSubstr("steps"));
  EXPECT_THAT(hnhost({"--reward", "judge"}).err, HasSubstr("score-only"));
}

TEST(Usage, ErrorsAsJson) {
  const Outcome outcome = hnhost({"--reward", "rednes", "--json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.json().at("error").at("code"), "not_found");
  EXPECT_THAT(outcome.json().at("error").at("message").get<std::string>(), HasSubstr("redness"));
}

TEST(DryRun, FlagsWinOverTheFile) {
  const TestFolder folder;
  const auto file = folder.write("c.toml",
                                 "seed = 5\n[[reward]]\nname = \"clip\"\n[train]\nlr = 0.5\n"
                                 "steps = 7\n");
  const Outcome outcome = hnhost({"train", "--config", file.string(), "--steps", "9", "--set",
                                  "train.lr=0.25", "--set", "net.targets=[\"to_q\"]", "--reward",
                                  "redness=2", "--out", folder.path() / "run", "--dry-run"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* line : {"seed = 5", "steps = 9", "lr = 0.25", "targets = [\"to_q\"]",
                           "name = \"redness\"", "weight = 2.0"})
    EXPECT_THAT(outcome.out, HasSubstr(line));
  EXPECT_THAT(outcome.out, Not(HasSubstr("name = \"clip\"")));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run"));
}

TEST(DryRun, ResolvedConfigurationResolvesToItself) {
  const TestFolder folder;
  const std::string first =
      hnhost({"--reward", "redness", "--out", folder.path() / "run", "--dry-run"}).out;
  const auto file = folder.write("c.toml", first);
  EXPECT_EQ(hnhost({"train", "--config", file.string(), "--dry-run"}).out, first);
}

TEST(List, RowsAndJson) {
  const Outcome text = hnhost({"list"});
  EXPECT_EQ(text.code, 0);
  for (const char* name : {"redness", "clip", "judge", "emoji-sprint"})
    EXPECT_THAT(text.out, HasSubstr(name));
  const auto all = hnhost({"list", "--json"}).json();
  for (const char* key : {"plugins", "rewards", "generators", "models"})
    EXPECT_TRUE(all.at(key).is_array()) << key;
  const auto rewards = hnhost({"list", "rewards", "--json"}).json();
  EXPECT_FALSE(rewards.contains("plugins"));
  EXPECT_EQ(hnhost({"list", "things"}).code, 1);
}

TEST(List, BrokenBundlesAreRows) {
  const TestFolder folder;
  std::filesystem::create_directories(folder.path() / "empty.hnp");
  std::filesystem::create_directories(folder.path() / "liar.hnp");
  folder.write("liar.hnp/plugin.toml", "schema = 1\nid = = 3\n");
  const Outcome outcome = hnhost({"list", "plugins", "--plugin-path", folder.path().string()});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("empty.hnp"));
  EXPECT_THAT(outcome.out, HasSubstr("liar.hnp"));
  EXPECT_THAT(outcome.out, HasSubstr("redness.hnp"));
  unsigned broken = 0;
  const auto all = hnhost({"list", "--plugin-path", folder.path().string(), "--json"}).json();
  for (const auto& row : all.at("plugins"))
    if (row.at("status") == "broken") {
      ++broken;
      EXPECT_NE(row.at("reason"), "");
    }
  EXPECT_EQ(broken, 2u);
}

TEST(Inspect, ByNameAndNearest) {
  EXPECT_THAT(hnhost({"inspect", "clip"}).out, HasSubstr("hn.reward.clip"));
  EXPECT_EQ(hnhost({"inspect", "redness", "--json"}).json().at("requires").at("libtorch"), "none");
  const Outcome unknown = hnhost({"inspect", "cilp"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("clip"));
}

TEST(New, UnknownKindsAndBadNames) {
  const TestFolder folder;
  EXPECT_EQ(hnhost({"new", "rewrad", "x", "--folder", folder.path() / "x"}).code, 1);
  const Outcome name = hnhost({"new", "reward", "Bad-Name", "--folder", folder.path() / "x"});
  EXPECT_EQ(name.code, 1);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "x"));
}

TEST(New, CopiesATemplate) {
  if (!std::filesystem::is_directory(HN_SOURCE_DIR "/templates/reward"))
    GTEST_SKIP() << "no templates";
  const TestFolder folder;
  const auto to = folder.path() / "red_sky";
  const Outcome outcome = hnhost({"new", "reward", "red_sky", "--folder", to.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(to / "CMakeLists.txt"));
  EXPECT_THAT(hn::test::read_bytes(to / "CMakeLists.txt"), HasSubstr("red_sky"));
}

}  // namespace
