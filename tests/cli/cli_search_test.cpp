// Search at test time and headroom on the embedded model.
#include <csignal>
#include <thread>

#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::operator+;
using hn::test::Outcome;
using hn::test::Process;
using hn::test::read_bytes;
using hn::test::TestFolder;
using hn::test::tiny_training;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;
namespace fs = std::filesystem;

Words search(const fs::path& folder, const std::string& method, const Words& more = {}) {
  const fs::path prompts = folder / "prompts.txt";
  std::ofstream(prompts) << "three red apples\na star\ntwo dogs\n";
  return Words{"search",
               "--reward",
               "clip",
               "--method",
               method,
               "--prompts",
               prompts,
               "--threads",
               "1",
               "--seed",
               "5",
               "--out-dir",
               (folder / "found").string(),
               "--batch",
               "4"} +
         more;
}

// search.json less what differs from one time to the next.
nlohmann::json found(const fs::path& folder) {
  auto json = nlohmann::json::parse(read_bytes(folder / "search.json"));
  json.erase("seconds");
  json.erase("peak_memory_bytes");
  json.erase("plugin_memory_bytes");
  for (auto& row : json.at("rows")) row.erase("seconds");
  return json;
}

// A PNG file's image data, without the texts before them.
std::string pixels(const fs::path& file) {
  const std::string bytes = read_bytes(file);
  const std::size_t begin = bytes.find("IDAT");
  EXPECT_NE(begin, std::string::npos) << file;
  return begin == std::string::npos ? bytes : bytes.substr(begin);
}

TEST(Search, BestOfNLeavesEverythingBehind) {
  const TestFolder folder;
  const fs::path out = folder.path() / "found";
  const Words words = search(folder.path(), "best-of-n",
                             {"--n", "10", "--measure", "judge", "--measure", "redness"});
  const Outcome outcome = hnhost(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("clip *"));
  EXPECT_THAT(outcome.out, HasSubstr("best-of-n, 3 prompts: 30 generator forwards, 0 backwards"));
  for (const char* name :
       {"00.png", "02.png", "prompts.jsonl", "sheet.html", "before/02.png", "before/prompts.jsonl",
        "noises.safetensors", "search.toml", "search.json"})
    EXPECT_TRUE(fs::exists(out / name)) << name;
  EXPECT_FALSE(fs::exists(out / "parts"));
  const auto json = found(out);
  EXPECT_EQ(json.at("evaluations").at("reward_forwards"), 30);
  ASSERT_EQ(json.at("rows").size(), 3u);
  for (const auto& row : json.at("rows")) {
    const std::vector<double> values = row.at("values");
    ASSERT_EQ(values.size(), 10u);
    EXPECT_EQ(row.at("result").at("value"), *std::max_element(values.begin(), values.end()));
    EXPECT_EQ(row.at("start").at("value"), values[0]);
    EXPECT_TRUE(row.at("result").at("scores").contains("redness"));
  }
  EXPECT_GT(json.at("measures").at(0).at("difference").at("mean"), 0);

  // The starts are the pictures of sample with the same seed; the found noises give their pictures.
  const auto draw = [&](const std::string& to, const Words& more) {
    const Outcome drawn =
        hnhost(Words{"sample", "--prompts", folder.path() / "prompts.txt", "--threads", "1",
                     "--batch", "1", "--out-dir", (folder.path() / to).string()} +
               more);
    ASSERT_EQ(drawn.code, 0) << drawn.err;
  };
  draw("start", {"--seed", "5"});
  draw("again", {"--noise-in", out / "noises.safetensors"});
  for (const char* name : {"00.png", "01.png", "02.png"}) {
    EXPECT_EQ(pixels(folder.path() / "start" / name), pixels(out / "before" / name));
    EXPECT_EQ(pixels(folder.path() / "again" / name), pixels(out / name));
  }

  // Once more: answered from its file. Something is gone: all of it again, and the same.
  const auto written = fs::last_write_time(out / "search.json");
  EXPECT_EQ(hnhost(words + Words{"--json"}).json().at("prompts"), 3);
  EXPECT_EQ(fs::last_write_time(out / "search.json"), written);
  const std::string noises = read_bytes(out / "noises.safetensors");
  fs::remove(out / "01.png");
  EXPECT_EQ(hnhost(words).code, 0);
  EXPECT_TRUE(fs::exists(out / "01.png"));
  EXPECT_EQ(read_bytes(out / "noises.safetensors"), noises);
  EXPECT_EQ(found(out), json);

  // Another configuration is another search.
  const Outcome other = hnhost(words + Words{"--set", "search.n=11"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("search.n: 10 there, 11 now"));
  EXPECT_EQ(hnhost(words + Words{"--set", "search.n=2", "--overwrite"}).code, 0);
  EXPECT_EQ(found(out).at("evaluations").at("generator_forwards"), 6);
}

TEST(Search, GoesOnAfterKillAndCtrlCWithTheSameResult) {
  const TestFolder whole, parts;
  const Words more = {"--n", "60", "--set", "search.neighbours=5"};
  ASSERT_EQ(hnhost(search(whole.path(), "zeroth-order", more)).code, 0);
  const fs::path out = parts.path() / "found";
  for (const int signal : {SIGKILL, SIGINT}) {
    Process process(search(parts.path(), "zeroth-order", more));
    const std::size_t wanted = signal == SIGKILL ? 1 : 2;
    for (int tries = 0; tries < 6000; ++tries) {
      std::error_code none;
      std::size_t there = 0;
      for (auto each = fs::directory_iterator(out / "parts", none);
           !none && each != fs::directory_iterator(); each.increment(none))
        there += each->path().extension() == ".safetensors" ? 1 : 0;
      if (there >= wanted || fs::exists(out / "search.json")) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    process.send(signal);
    const Outcome stopped = process.wait();
    if (signal == SIGINT && stopped.code == 1) {
      EXPECT_THAT(stopped.err, HasSubstr("the same command goes on"));
    }
  }
  ASSERT_EQ(hnhost(search(parts.path(), "zeroth-order", more)).code, 0);
  EXPECT_EQ(found(out), found(whole.path() / "found"));
  for (const char* name : {"noises.safetensors", "00.png", "01.png", "02.png", "before/01.png",
                           "prompts.jsonl", "before/prompts.jsonl"})
    EXPECT_EQ(read_bytes(out / name), read_bytes(whole.path() / "found" / name)) << name;
}

TEST(Search, EveryMethodFindsSomethingBetter) {
  for (const char* method : {"random", "zeroth-order", "reno", "langevin"}) {
    const TestFolder folder;
    const Outcome outcome = hnhost(search(folder.path(), method, {"--n", "12", "--json"}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto json = outcome.json();
    const bool climbs = std::string(method) == "reno" || std::string(method) == "langevin";
    EXPECT_EQ(json.at("evaluations").at("generator_forwards"), 36) << method;
    EXPECT_EQ(json.at("evaluations").at("generator_backwards"), climbs ? 33 : 0) << method;
    EXPECT_EQ(json.at("evaluations").at("reward_backwards"), climbs ? 33 : 0) << method;
    EXPECT_GT(json.at("measures").at(0).at("difference").at("mean"), 0) << method;
    EXPECT_GT(json.at("peak_memory_bytes"), 1 << 20);
  }
}

TEST(Search, ThresholdSpendsWhereItIsNeeded) {
  const TestFolder folder;
  const auto run = [&](const std::string& bound) {
    const Outcome outcome = hnhost(search(
        folder.path(), "threshold", {"--n", "6", "--threshold", bound, "--overwrite", "--json"}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.json();
  };
  const auto easy = run("-1000");
  for (const auto& row : easy.at("rows")) EXPECT_EQ(row.at("values").size(), 1u);
  const auto hard = run("1000");
  for (const auto& row : hard.at("rows")) EXPECT_EQ(row.at("values").size(), 6u);
  const Outcome none = hnhost(search(folder.path(), "threshold", {"--overwrite"}));
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("[search] threshold: expected"));
}

TEST(Search, SeveralStepsHoldTheirNoise) {
  const TestFolder folder;
  const Words words = search(folder.path(), "random", {"--n", "4", "--steps", "2"});
  ASSERT_EQ(hnhost(words).code, 0);
  const Outcome drawn =
      hnhost({"sample", "--prompts", folder.path() / "prompts.txt", "--steps", "2", "--threads",
              "1", "--noise-in", folder.path() / "found" / "noises.safetensors", "--batch", "1",
              "--out-dir", (folder.path() / "again").string()});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  for (const char* name : {"00.png", "01.png", "02.png"})
    EXPECT_EQ(pixels(folder.path() / "again" / name), pixels(folder.path() / "found" / name));
}

TEST(Search, OnTopOfATrainedNetwork) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  ASSERT_EQ(hnhost(tiny_training(folder.path(), run, 4) + Words{"--set", "train.lr=0.05"}).code, 0);
  const Outcome outcome =
      hnhost(search(folder.path(), "best-of-n", {"--n", "3", "--adapter", run.string(), "--json"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json().at("evaluations").at("network_forwards"), 9);
  // The start is what sample draws with the adapter.
  const Outcome drawn = hnhost({"sample", "--prompts", folder.path() / "prompts.txt", "--seed", "5",
                                "--threads", "1", "--batch", "1", "--adapter", run.string(),
                                "--out-dir", (folder.path() / "start").string()});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_EQ(pixels(folder.path() / "start" / "01.png"),
            pixels(folder.path() / "found" / "before" / "01.png"));
}

TEST(Search, AScoreOnlyRewardIsSearchedWithoutGradients) {
  const TestFolder folder;
  Words words = search(folder.path(), "best-of-n", {"--n", "4", "--json"});
  std::replace(words.begin(), words.end(), std::string("clip"), std::string("judge"));
  const Outcome outcome = hnhost(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // "two dogs" is no word of the judge's list, or it is: what it cannot answer keeps its start.
  for (const auto& row : outcome.json().at("rows"))
    EXPECT_EQ(row.contains("unanswered"), row.at("start").at("value").is_null());
  std::replace(words.begin(), words.end(), std::string("best-of-n"), std::string("reno"));
  const Outcome refused = hnhost(words + Words{"--overwrite"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("method reno follows the reward's gradient, but judge is "
                                     "score-only; use best-of-n"));
}

TEST(Search, MistakesAreNamed) {
  const TestFolder folder;
  const auto fails = [&](const Words& words, const char* text) {
    const Outcome outcome = hnhost(words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(text));
  };
  fails(search(folder.path(), "genetic"), "expected one of best-of-n, threshold");
  fails(search(folder.path(), "reno", {"--set", "search.sigmas=1"}), "sigma");
  fails(search(folder.path(), "random", {"--set", "search.sigma=2"}), "expected at most 1");
  fails(search(folder.path(), "reno", {"--threshold", "1"}), "for the method \"threshold\" alone");
  Words weightless = search(folder.path(), "random", {"--overwrite"});
  std::replace(weightless.begin(), weightless.end(), std::string("clip"), std::string("clip=0"));
  fails(weightless, "[reward clip] weight: expected another than 0");
  fs::remove_all(folder.path() / "found");
  fs::create_directories(folder.path() / "found");
  std::ofstream(folder.path() / "found" / "mine.txt") << "x";
  fails(search(folder.path(), "random"), "is no folder of a search and not empty (mine.txt)");
  EXPECT_TRUE(fs::exists(folder.path() / "found" / "mine.txt"));
  fs::remove_all(folder.path() / "found");
  std::ofstream(folder.path() / "found") << "x";
  fails(search(folder.path(), "random"), "is a file, expected a folder");
  fs::remove_all(folder.path() / "found");
  ASSERT_EQ(hnhost(search(folder.path(), "random", {"--n", "1"})).code, 0);
  std::ofstream(folder.path() / "found" / "search.json") << "{";
  fails(search(folder.path(), "random", {"--n", "1"}), "is damaged");
  std::ofstream(folder.path() / "found" / "search.toml") << "[";
  fails(search(folder.path(), "random", {"--n", "1"}), "cannot be compared");
}

Words headroom(const Words& more) {
  return Words{"headroom", "--threads", "1", "--count", "8", "--seeds", "8", "--json"} + more;
}

TEST(Headroom, TellsWhatTheNoiseCanDo) {
  const Outcome outcome = hnhost(headroom({"--reward", "clip", "--measure", "redness"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = outcome.json();
  EXPECT_EQ(json.at("prompts"), 8);
  ASSERT_EQ(json.at("best_of").size(), 4u);
  EXPECT_EQ(json.at("best_of").at(0).at("gain").at("mean"), 0);
  EXPECT_GT(json.at("best_of").at(3).at("gain").at("mean"),
            json.at("best_of").at(1).at("gain").at("mean"));
  EXPECT_GT(json.at("gradient_norm").at("mean"), 0);
  EXPECT_EQ(json.at("verdict"), "train") << json.at("why");
  ASSERT_EQ(json.at("rewards").size(), 2u);
  EXPECT_EQ(json.at("rewards").at(1).at("name"), "redness");
  EXPECT_EQ(json.at("evaluations").at("generator_forwards"), 8 * 10);
  EXPECT_EQ(json.at("evaluations").at("generator_backwards"), 8);
  // For people, and the same numbers whatever the batch.
  Words words = headroom({"--reward", "clip", "--measure", "redness", "--batch", "3"});
  words.erase(std::find(words.begin(), words.end(), "--json"));
  const Outcome table = hnhost(words);
  EXPECT_THAT(table.out, HasSubstr("seeds' share of the variance"));
  EXPECT_THAT(table.out, HasSubstr("train: the best of 8 seeds gains"));
}

TEST(Headroom, WithoutAGradientItIsSearchOrNothing) {
  const Outcome judge = hnhost(headroom({"--reward", "judge"}));
  ASSERT_EQ(judge.code, 0) << judge.err;
  EXPECT_TRUE(judge.json().at("gradient_norm").is_null());
  EXPECT_NE(judge.json().at("verdict"), "train");
}

TEST(Headroom, ARewardOfWeightTinyEnoughIsStillMeasuredByItself) {
  // A weight scales the value and its gradient alike, so the verdict stays.
  const Outcome outcome = hnhost(headroom({"--reward", "clip=0.001"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json().at("verdict"), "train");
}

TEST(Headroom, MistakesAreNamed) {
  const Outcome one = hnhost({"headroom", "--reward", "clip", "--prompt", "a star"});
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, HasSubstr("[headroom] expected at least 2 prompts, got 1"));
  const Outcome measured = hnhost({"headroom", "--config", "/no/such.toml"});
  EXPECT_EQ(measured.code, 2);
}

}  // namespace
