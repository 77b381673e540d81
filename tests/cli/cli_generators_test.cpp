// The generators whose weights are the user's, on small random folders of diffusers' layout: what a
// run says of its generator is what `sample` opens.
#include "cli/cli_support.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Generator {
  const char* name;     // of the plugin
  const char* weights;  // below the source tree
  const char* wide;     // pixels, other than its own width
};

void PrintTo(const Generator& g, std::ostream* out) { *out << g.name; }

const Generator kGenerators[] = {
    {"sana_sprint", "plugins/generators/sana_sprint/weights/emoji-sprint", "96"},
    {"sd_turbo", "tests/golden/sd_turbo/plain", "32"},
    {"flux_schnell", "tests/golden/flux_schnell/plain", "32"}};

class OfRun : public ::testing::TestWithParam<Generator> {
 protected:
  // The folder is a copy, so that a test may take it away.
  void SetUp() override {
    fs::copy(fs::path(HN_SOURCE_DIR) / GetParam().weights, weights(), fs::copy_options::recursive);
    const Outcome outcome =
        hnhost(tiny_training(folder_.path(), run(), 1) +
               std::vector<std::string>{"--generator", GetParam().name, "--weights",
                                        weights().string(), "--dtype", "float32", "--set",
                                        std::string("generator_options.width=") + GetParam().wide});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  fs::path run() const { return folder_.path() / "run"; }
  fs::path weights() const { return folder_.path() / "weights"; }
  Outcome sample(const std::string& out, const std::vector<std::string>& more) const {
    return hnhost(std::vector<std::string>{"sample", "--prompt", "a star", "--threads", "1", "-q",
                                           "--delta-out", (folder_.path() / out).string()} +
                  more);
  }
  // The file's bytes: the tensor's shape is in its header.
  std::string drawn(const std::string& out, const std::vector<std::string>& more) const {
    const Outcome outcome = sample(out, more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return read_bytes(folder_.path() / out);
  }
  std::vector<std::string> everything() const {
    return {"--generator", GetParam().name,
            "--weights",   weights().string(),
            "--dtype",     "float32",
            "--adapter",   run().string(),
            "--set",       std::string("generator_options.width=") + GetParam().wide};
  }
  TestFolder folder_;
};

TEST_P(OfRun, IsOpenedBySample) {
  const std::string told = drawn("told", everything());
  EXPECT_EQ(drawn("of_run", {"--adapter", run().string()}), told);
  EXPECT_EQ(drawn("folder", {"--adapter", (run() / "adapter").string() + "/"}), told);
  EXPECT_EQ(drawn("same", {"--adapter", run().string(), "--generator", GetParam().name}), told);
}

TEST_P(OfRun, YieldsToFlags) {
  const auto adapter = std::vector<std::string>{"--adapter", run().string()};
  const std::string plain = drawn("plain", adapter);
  EXPECT_NE(
      drawn("narrow", adapter + std::vector<std::string>{"--set", "generator_options.width=64"}),
      plain);
  EXPECT_NE(drawn("half", adapter + std::vector<std::string>{"--dtype", "bfloat16"}), plain);
  const Outcome none = sample("none", adapter + std::vector<std::string>{"--weights", "/nowhere"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("/nowhere does not exist"));
}

TEST_P(OfRun, WhoseWeightsAreGoneIsNamed) {
  fs::rename(weights(), folder_.path() / "elsewhere");
  const Outcome gone = sample("gone", {"--adapter", run().string()});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err,
              AllOf(HasSubstr(weights().string()), HasSubstr((run() / "config.toml").string())));
  EXPECT_EQ(sample("moved", {"--adapter", run().string(), "--weights",
                             (folder_.path() / "elsewhere").string()})
                .code,
            0);
}

// Another generator by name takes nothing from the run, and the adapter's layers are not its own.
TEST_P(OfRun, AnotherGeneratorIsRefusedByItsLayers) {
  const Generator& other = kGenerators[GetParam().name == std::string("sd_turbo") ? 2 : 1];
  const Outcome outcome =
      sample("other", {"--adapter", run().string(), "--generator", other.name, "--weights",
                       (fs::path(HN_SOURCE_DIR) / other.weights).string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("[adapter]"), HasSubstr((run() / "adapter").string()),
                                 Not(HasSubstr("config.toml"))));
}

TEST_P(OfRun, WithABrokenConfigurationIsNamed) {
  std::ofstream(run() / "config.toml") << "generator = 3\n";
  const Outcome outcome = sample("broken", {"--adapter", run().string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr((run() / "config.toml").string() + ":1"), HasSubstr("generator")));
}

INSTANTIATE_TEST_SUITE_P(Generators, OfRun, ::testing::ValuesIn(kGenerators),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace hn::test
