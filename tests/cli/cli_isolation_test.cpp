// Training with plugins in worker processes: the same bits as in one process, and what happens when
// a worker is lost.
#include <cstdlib>
#include <fstream>

#include "cli_support.hpp"

namespace hn::test {
namespace {

using ::testing::HasSubstr;

std::string adapter_bytes(const std::filesystem::path& run) {
  const std::string bytes = read_bytes(run / "adapter" / "adapter_model.safetensors");
  EXPECT_FALSE(bytes.empty()) << run;
  return bytes;
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(CliIsolation, TrainingInWorkersGivesTheSameBits) {
  TestFolder folder;
  const auto arguments = [&](const char* name) {
    return tiny_training(folder.path(), folder.path() / name, 4) +
           std::vector<std::string>{"--reward", "clip"};
  };
  const Outcome here = hnhost(arguments("here"));
  ASSERT_EQ(here.code, 0) << here.err;
  const Environment policy("HN_ISOLATION", "always");
  const Outcome workers = hnhost(arguments("workers"));
  ASSERT_EQ(workers.code, 0) << workers.err;
  EXPECT_EQ(adapter_bytes(folder.path() / "here"), adapter_bytes(folder.path() / "workers"));
}

TEST(CliIsolation, EmbeddedModelAndClipRunInASandbox) {
  TestFolder folder;
  const auto arguments = [&](const char* name) {
    return tiny_training(folder.path(), folder.path() / name, 2) +
           std::vector<std::string>{"--reward", "clip"};
  };
  const Outcome here = hnhost(arguments("here"));
  ASSERT_EQ(here.code, 0) << here.err;
  const Environment policy("HN_ISOLATION", "always");
  const Outcome boxed =
      hnhost(arguments("boxed") + std::vector<std::string>{"--set", "isolation=sandbox"});
  ASSERT_EQ(boxed.code, 0) << boxed.err;
  EXPECT_EQ(adapter_bytes(folder.path() / "here"), adapter_bytes(folder.path() / "boxed"));
}

// A run whose reward stands in a worker and does a deed once, at its third forward with a gradient.
class Loss : public ::testing::Test {
 protected:
  std::vector<std::string> run(const std::string& name, const std::string& deed,
                               const std::string& train) {
    const auto prompts = folder_.path() / "prompts.txt";
    std::ofstream(prompts) << "a star\na red balloon\n";
    const auto config = folder_.path() / (name + ".toml");
    std::ofstream(config)
        << "threads = 1\n[[reward]]\nname = \"" HN_BUILD_DIR
        << "/tests/plugins/wild.hnp\"\nisolation = \"process\"\noptions = { deed = \"" << deed
        << "\", at = \"backward\", after = 2, once = \""
        << (folder_.path() / (name + ".done")).string() << "\" }\n[net]\nrank = 2\n"
        << "[train]\nsteps = 5\nbatch = 2\nwarmup = 2\ncheckpoint_every = 1\n"
        << train << "\nprompts = \"" << prompts.string() << "\"\nsample_prompts = \""
        << prompts.string() << "\"\n[eval]\nprompts = \"" << prompts.string()
        << "\"\n[worker]\ntimeout = 20\n[validation]\ncount = 0\n";
    return {"--config", config.string(), "--out", (folder_.path() / name).string()};
  }
  std::string adapter(const std::string& name) { return adapter_bytes(folder_.path() / name); }
  const std::string& calm() {
    if (calm_.empty()) {
      const Outcome outcome = hnhost(run("calm", "", ""));
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      calm_ = adapter("calm");
    }
    return calm_;
  }

  TestFolder folder_;
  std::string calm_;
};

TEST_F(Loss, IsRepeatedAndNothingIsLost) {
  for (const std::string deed : {"segv", "exit", "past"}) {
    const Outcome outcome = hnhost(run(deed, deed, ""));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(std::filesystem::exists(folder_.path() / (deed + ".done"))) << "the deed was done";
    EXPECT_EQ(adapter(deed), calm()) << deed;
    EXPECT_THAT(outcome.err, HasSubstr("step 3: repeated: "));
  }
}

TEST_F(Loss, StopsTheRunByPolicyAndTheSameCommandGoesOn) {
  const auto arguments = run("stop", "segv", "unavailable = \"stop\"");
  const Outcome stopped = hnhost(arguments);
  EXPECT_NE(stopped.code, 0);
  EXPECT_THAT(stopped.err, HasSubstr("step 3: "));
  EXPECT_THAT(stopped.err, HasSubstr("crashed in backward of score: Segmentation fault"));
  const Outcome resumed = hnhost(arguments);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(adapter("stop"), calm());
}

TEST_F(Loss, SkipsTheStepByPolicy) {
  const Outcome outcome = hnhost(run("skip", "segv", "unavailable = \"skip\""));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("step 3: skipped: "));
  EXPECT_NE(adapter("skip"), calm());
}

TEST_F(Loss, ThatComesEveryTimeStopsTheRun) {
  auto arguments = run("always", "segv", "max_repeats = 2");
  // Without the file that says that the deed was done, each worker does it again.
  arguments = arguments + std::vector<std::string>{"--set", "train.steps=4"};
  std::string text = read_bytes(arguments[1]);
  text.replace(text.find("after = 2"), 9, "after = 0");
  const auto once = text.find(", once = ");
  std::ofstream(arguments[1]) << text.substr(0, once) << text.substr(text.find(" }", once));
  const Outcome outcome = hnhost(arguments);
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("the step was repeated 2 times before"));
}

TEST_F(Loss, APolicyThatForbidsWorkersIsSaid) {
  const Environment policy("HN_ISOLATION", "never");
  const Outcome outcome = hnhost(run("never", "", ""));
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("policy on isolation is never"));
}

}  // namespace
}  // namespace hn::test
