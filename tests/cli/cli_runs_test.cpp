// Training runs: what they leave behind, and that a stopped one ends as if it never had been.
#include <csignal>

#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::operator+;
using hn::test::Outcome;
using hn::test::Process;
using hn::test::read_bytes;
using hn::test::TestFolder;
using hn::test::tiny_training;
using hn::test::wait_for_step;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string adapter_bytes(const fs::path& run) {
  return read_bytes(run / "adapter" / "adapter_model.safetensors");
}

// The training curve without its times.
std::string curve(const fs::path& run) {
  std::istringstream lines(read_bytes(run / "metrics.jsonl"));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    auto row = nlohmann::json::parse(line);
    row.erase("seconds");
    out += row.dump() + "\n";
  }
  return out;
}

TEST(Run, LeavesEverythingBehind) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  // Without a choice of the best state: after three steps that may be the start.
  const auto training = [&](unsigned steps) {
    return tiny_training(folder.path(), run, steps) +
           std::vector<std::string>{"--set", "validation.count=0"};
  };
  const Outcome outcome = hnhost(training(3));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("redness *"));
  EXPECT_THAT(outcome.out, HasSubstr("paired difference"));
  EXPECT_THAT(outcome.err, HasSubstr("step 3/3"));
  for (const char* name :
       {"config.toml", "adapter/adapter_model.safetensors", "adapter/adapter_config.json",
        "checkpoint.safetensors", "metrics.jsonl", "events.out.tfevents.0.hnhost",
        "samples/before.png", "samples/after.png", "samples/after/01.png", "report.html",
        "summary.json", "scores.json"})
    EXPECT_TRUE(fs::exists(run / name)) << name;
  for (const auto& entry : fs::recursive_directory_iterator(run))
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(HasSubstr(".tmp.")))
        << "left over";

  // The finished run again: its summary, and nothing is trained.
  const auto before = fs::last_write_time(run / "metrics.jsonl");
  const Outcome again = hnhost(training(3) + std::vector<std::string>{"--json"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.json().at("step"), 3);
  EXPECT_EQ(again.json().at("measures").at(0).at("name"), "redness");
  EXPECT_EQ(fs::last_write_time(run / "metrics.jsonl"), before);

  // Another configuration in the same folder.
  const Outcome other = hnhost(training(2));
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("train.steps: 3 there, 2 now"));

  // Its adapter draws other pictures than the bare generator, by just its delta.
  const auto draw = [&](const std::string& name, const std::vector<std::string>& more) {
    const Outcome drawn =
        hnhost(std::vector<std::string>{"sample", "--prompt", "a star", "--threads", "1",
                                        "--images-out", (folder.path() / name).string()} +
               more);
    EXPECT_EQ(drawn.code, 0) << drawn.err;
    return read_bytes(folder.path() / name);
  };
  const std::string plain = draw("plain", {});
  EXPECT_TRUE(draw("adapted", {"--adapter", run.string()}) != plain);
}

TEST(Run, ResumesExactlyAfterCtrlCAndAfterKill) {
  const TestFolder folder;
  const fs::path whole = folder.path() / "whole";
  const Outcome outcome = hnhost(tiny_training(folder.path(), whole, 9));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const int signal : {SIGINT, SIGKILL}) {
    const fs::path run = folder.path() / ("run" + std::to_string(signal));
    const auto arguments = tiny_training(folder.path(), run, 9);
    {
      Process process(arguments);
      ASSERT_TRUE(wait_for_step(run, 3));
      process.send(signal);
      const Outcome stopped = process.wait();
      if (signal == SIGINT) {
        EXPECT_EQ(stopped.code, 1);
        EXPECT_THAT(stopped.err, HasSubstr("the same command goes on"));
      } else {
        EXPECT_EQ(stopped.signal, SIGKILL);
      }
      EXPECT_TRUE(fs::exists(run / "checkpoint.safetensors"));
      EXPECT_FALSE(fs::exists(run / "summary.json")) << "too fast to be stopped";
    }
    const Outcome resumed = hnhost(arguments);
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(adapter_bytes(run), adapter_bytes(whole)) << signal;
    EXPECT_EQ(curve(run), curve(whole)) << signal;
    EXPECT_EQ(read_bytes(run / "samples" / "after.png"),
              read_bytes(whole / "samples" / "after.png"));
  }
}

TEST(Run, MoreStepsEndAsIfTheyHadBeenAskedForAtOnce) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run", whole = folder.path() / "whole";
  ASSERT_EQ(hnhost(tiny_training(folder.path(), run, 3)).code, 0);
  const Outcome longer =
      hnhost(tiny_training(folder.path(), run, 5) + std::vector<std::string>{"--json"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  EXPECT_EQ(longer.json().at("step"), 5);
  ASSERT_EQ(hnhost(tiny_training(folder.path(), whole, 5)).code, 0);
  EXPECT_EQ(adapter_bytes(run), adapter_bytes(whole));
  EXPECT_THAT(read_bytes(run / "config.toml"), HasSubstr("steps = 5"));
}

TEST(Run, BeginsWithTheAdapterOfAnother) {
  const TestFolder folder;
  const fs::path first = folder.path() / "first", second = folder.path() / "second";
  const Outcome a =
      hnhost(tiny_training(folder.path(), first, 4) + std::vector<std::string>{"--json"});
  ASSERT_EQ(a.code, 0) << a.err;
  // Nothing is learnt in one step at no rate, so it ends where the first one ended.
  const std::vector<std::string> more = {"--from", first.string(), "--lr", "0", "--json"};
  const Outcome b = hnhost(tiny_training(folder.path(), second, 1) + more);
  ASSERT_EQ(b.code, 0) << b.err;
  for (const char* state : {"before", "after"})
    EXPECT_EQ(a.json().at("measures").at(0).at(state), b.json().at("measures").at(0).at(state))
        << state;
  EXPECT_EQ(a.json().at("trainable"), b.json().at("trainable")) << "its rank";
  const Outcome none = hnhost(tiny_training(folder.path(), folder.path() / "none", 1) +
                              std::vector<std::string>{"--from", "nowhere"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("[net] file: "));
}

TEST(Run, KeepsTheBestStateAndEndsWithoutABetterOne) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  // A rate that leads nowhere: no state is better than the start for long.
  const Outcome ended =
      hnhost(tiny_training(folder.path(), run, 40) +
             std::vector<std::string>{"--lr", "0", "--set", "validation.every=1", "--set",
                                      "validation.patience=2", "--json"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  const auto summary = ended.json();
  EXPECT_EQ(summary.at("step"), 2);
  EXPECT_THAT(summary.at("stopped").get<std::string>(),
              HasSubstr("in 2 measurements since step 0"));
  EXPECT_EQ(summary.at("kept").at("step"), 0);
  EXPECT_EQ(summary.at("kept").at("weights"), "best");
  EXPECT_THAT(read_bytes(run / "report.html"), HasSubstr("the start was kept"));
}

// A run whose network is no LoRA, through every verb that reads it.
TEST(Run, NoiseNetworksBesideTheGenerator) {
  const TestFolder folder;
  std::vector<std::string> compare = {"compare", "--x", "redness", "--out",
                                      (folder.path() / "page.html").string()};
  for (const std::string kind : {"low-frequency", "constant"}) {
    const fs::path run = folder.path() / kind;
    const auto arguments =
        tiny_training(folder.path(), run, 3) +
        std::vector<std::string>{"--net", kind, "--set", "validation.count=0", "--json"};
    const Outcome trained = hnhost(arguments);
    ASSERT_EQ(trained.code, 0) << trained.err;
    const auto net = trained.json().at("noise_network");
    EXPECT_EQ(net.at("type"), kind);
    EXPECT_EQ(net.at("parameters"), trained.json().at("trainable"));
    EXPECT_GT(net.at("delta_milliseconds").get<double>(), 0);
    EXPECT_GT(net.at("picture_milliseconds").get<double>(),
              net.at("delta_milliseconds").get<double>());
    EXPECT_EQ(net.at("flops").get<double>() > 0, kind == "low-frequency");
    EXPECT_TRUE(trained.json().at("lipschitz").is_number());
    EXPECT_TRUE(trained.json().at("files").contains("adapter/noise_net.safetensors"));
    EXPECT_FALSE(fs::exists(run / "adapter" / "adapter_model.safetensors"));
    EXPECT_THAT(read_bytes(run / "report.html"), HasSubstr("<td>noise network</td><td>" + kind));

    const auto draw = [&](const std::string& name, const std::vector<std::string>& more) {
      const Outcome drawn =
          hnhost(std::vector<std::string>{"sample", "--prompt", "a star", "--threads", "1",
                                          "--images-out", (folder.path() / name).string()} +
                 more);
      EXPECT_EQ(drawn.code, 0) << drawn.err;
      return read_bytes(folder.path() / name);
    };
    const std::string adapted = draw("adapted", {"--adapter", run.string()});
    EXPECT_NE(adapted, draw("plain", {}));
    EXPECT_EQ(adapted,
              draw("again", {"--adapter", (run / "adapter").string(), "--adapter-kind", kind}));
    EXPECT_THAT(hnhost({"sample", "--prompt", "a", "--images-out", "/dev/null", "--adapter",
                        run.string(), "--adapter-kind", "hypernet"})
                    .err,
                HasSubstr("has a noise network of type " + kind + ", got 'hypernet'"));

    const Outcome seen = hnhost({"inspect", "--weights", (run / "adapter").string()});
    EXPECT_EQ(seen.code, 0) << seen.err;
    EXPECT_THAT(seen.out, HasSubstr("noise network " + kind));
    EXPECT_THAT(seen.out, HasSubstr("an adapter: hnhost sample"));

    // What a finished run lacks is made again from its checkpoint, bit for bit.
    const std::string was = read_bytes(run / "adapter" / "noise_net.safetensors");
    fs::remove(run / "adapter" / "noise_net.safetensors");
    const Outcome repaired = hnhost(arguments);
    EXPECT_EQ(repaired.code, 0) << repaired.err;
    EXPECT_THAT(repaired.err, HasSubstr("adapter/noise_net.safetensors is missing"));
    EXPECT_EQ(read_bytes(run / "adapter" / "noise_net.safetensors"), was);
    compare.push_back(kind + "=" + run.string());
  }
  const Outcome compared = hnhost(compare);
  EXPECT_EQ(compared.code, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("low-frequency"));
}

TEST(Run, OneProcessADirectory) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run";
  const auto arguments = tiny_training(folder.path(), run, 500);
  Process first(arguments);
  ASSERT_TRUE(wait_for_step(run, 1));
  const Outcome second = hnhost(arguments);
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("in use by another run"));
  first.send(SIGINT);
  EXPECT_EQ(first.wait().code, 1);
}

TEST(Run, PlacesThatCannotBeWritten) {
  const TestFolder folder;
  const Outcome outcome = hnhost(tiny_training(folder.path(), "/proc/run", 1));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/proc/run"));
}

TEST(Diagnose, TellsWhatDeltaDependsOn) {
  const TestFolder folder;
  const std::vector<std::string> look = {"diagnose", "--count",   "3", "--seeds",
                                         "2",        "--threads", "1", "--json"};
  nlohmann::json found;
  const auto diagnose = [&](const std::string& kind, const std::vector<std::string>& more) {
    const fs::path run = folder.path() / kind;
    const Outcome trained =
        hnhost(tiny_training(folder.path(), run, 4) +
               std::vector<std::string>{"--net", kind, "--set", "validation.count=0"});
    ASSERT_EQ(trained.code, 0) << trained.err;
    const Outcome seen = hnhost(look + std::vector<std::string>{"--adapter", run.string()} + more);
    ASSERT_EQ(seen.code, 0) << seen.err;
    found = seen.json();
  };
  diagnose("constant", {});
  EXPECT_NEAR(found.at("delta").at("constant_share").get<double>(), 1, 1e-6);
  EXPECT_EQ(found.at("lipschitz").at("largest"), 0);
  EXPECT_EQ(found.at("divergence").at("error").at("mean"), 0) << "a constant has no Jacobian";
  EXPECT_EQ(found.at("divergence").at("method"), "jacobian");
  EXPECT_EQ(found.at("rewards").size(), 1u) << "the run's own";
  EXPECT_TRUE(found.at("conflicts").empty());
  EXPECT_NEAR(found.at("noise").at("before").at("deviation").get<double>(), 1, 0.1);

  diagnose("hypernet", {"--reward", "redness,clip", "--panel", "judge"});
  const auto& delta = found.at("delta");
  double shares = 0;
  for (const char* part : {"constant_share", "prompt_share", "noise_share", "both_share"})
    shares += delta.at(part).get<double>();
  EXPECT_NEAR(shares, 1, 1e-9);
  EXPECT_LT(delta.at("constant_share").get<double>(), 0.999);
  EXPECT_GT(found.at("lipschitz").at("largest").get<double>(), 0);
  const auto& divergence = found.at("divergence");
  EXPECT_GT(std::abs(divergence.at("error").at("mean").get<double>()), 0);
  EXPECT_NEAR(divergence.at("exact").at("mean").get<double>(),
              divergence.at("bound").at("mean").get<double>() +
                  divergence.at("error").at("mean").get<double>(),
              1e-9);
  EXPECT_TRUE(divergence.at("invertible").get<bool>());
  ASSERT_EQ(found.at("rewards").size(), 3u);
  EXPECT_EQ(found.at("rewards").at(2).at("name"), "judge");
  ASSERT_EQ(found.at("conflicts").size(), 1u) << "the judge has no gradient";
  EXPECT_LT(std::abs(found.at("conflicts").at(0).at("cosine").at("mean").get<double>()), 1);
  EXPECT_EQ(found.at("diversity").at("difference").at("n"), 3);

  diagnose("finetune", {});
  EXPECT_FALSE(found.contains("delta"));
  EXPECT_EQ(found.at("method"), "direct fine-tune");

  const Outcome none = hnhost({"diagnose"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("[diagnose] adapter: expected a run"));
  const Outcome one = hnhost(
      {"diagnose", "--prompt", "a star", "--adapter", (folder.path() / "constant").string()});
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, HasSubstr("at least 2 prompts, got 1"));
}

TEST(Try, ShowsPromptsBeforeAndAfter) {
  const TestFolder folder;
  const fs::path run = folder.path() / "run", page = folder.path() / "page.html";
  ASSERT_EQ(
      hnhost(tiny_training(folder.path(), run, 4) +
             std::vector<std::string>{"--set", "validation.count=0", "--measure", "redness,judge"})
          .code,
      0);
  const std::vector<std::string> words = {"try",    run.string(), "two red apples", "grüne Äpfel",
                                          "--seed", "5",          "--seeds",        "2",
                                          "--out",  page.string()};
  const Outcome told =
      hnhost(words + std::vector<std::string>{"--strength", "0,1", "--json", "--threads", "1"});
  ASSERT_EQ(told.code, 0) << told.err;
  const auto found = told.json();
  const auto& pictures = found.at("pictures");
  ASSERT_EQ(pictures.size(), 2u * 2 * 3);
  EXPECT_EQ(found.at("rewards"), nlohmann::json({"redness", "judge"}));
  EXPECT_EQ(pictures.at(1).at("change").at("redness"), 0) << "strength 0 is the picture before";
  EXPECT_NE(pictures.at(2).at("change").at("redness"), 0);
  EXPECT_EQ(pictures.at(3).at("seed"), 6);
  EXPECT_EQ(pictures.at(0).at("scores").at("judge").is_null(), false);
  EXPECT_TRUE(pictures.at(6).at("scores").at("judge").is_null()) << "a prompt that it cannot read";
  EXPECT_THAT(found.at("missing").at("judge").get<std::string>(), HasSubstr("grüne"));
  const std::string html = read_bytes(page);
  EXPECT_THAT(html, HasSubstr("grüne Äpfel <span class=\"dim\">seed 6</span>"));
  EXPECT_THAT(html, HasSubstr("after, strength 0<"));

  const Outcome shown = hnhost(words);
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("before"));
  EXPECT_THAT(shown.out, HasSubstr(page.string()));
  // The same noise as sample's, and the pictures say how they were made.
  const fs::path drawn = folder.path() / "drawn";
  const Outcome sampled = hnhost({"sample", "--adapter", run.string(), "--prompt", "two red apples",
                                  "--seed", "6", "--strength", "0.5", "--out-dir", drawn.string()});
  ASSERT_EQ(sampled.code, 0) << sampled.err;
  const std::string png = read_bytes(drawn / "00.png");
  for (const char* text : {"two red apples", "strength", "adapter", "seed"})
    EXPECT_THAT(png, HasSubstr(text));
  const Outcome scored = hnhost(
      {"score", "--reward", "redness", "--json", "--prompt", "a", (drawn / "00.png").string()});
  EXPECT_EQ(scored.code, 0) << scored.err;

  const auto refused = [&](const std::vector<std::string>& bad, const std::string& says) {
    const Outcome outcome = hnhost(bad);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(says));
  };
  refused({"try"}, "run is required");
  refused({"try", (folder.path() / "none").string(), "x"}, "noise_net.json");
  refused({"try", run.string(), "x", "--strength", "inf"}, "[--strength] expected a number");
  refused({"try", run.string(), "x", "--out", (folder.path() / "none/x.html").string()},
          "[try] out: expected an existing folder");
  refused({"sample", "--prompt", "x", "--strength", "2", "--out-dir", drawn.string()},
          "there is no noise network");
}

TEST(Compare, OfTwoRuns) {
  const TestFolder folder;
  std::vector<std::string> words = {"compare", "--x", "redness", "--out",
                                    (folder.path() / "page.html").string()};
  for (const char* kind : {"hypernet", "finetune"}) {
    const fs::path run = folder.path() / kind;
    ASSERT_EQ(
        hnhost(tiny_training(folder.path(), run, 1) + std::vector<std::string>{"--net", kind}).code,
        0);
    words.push_back(std::string(kind) + "=" + run.string());
  }
  const Outcome outcome = hnhost(words);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("finetune"));
  EXPECT_THAT(read_bytes(folder.path() / "page.html"), HasSubstr("<svg"));
  EXPECT_EQ(hnhost({"compare", "--x", "redness", "/nowhere"}).code, 1);
}

}  // namespace
