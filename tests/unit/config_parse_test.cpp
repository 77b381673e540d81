// Reading and writing the configuration, without plugins.
#include "config/run_config.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

TEST(ParseConfig, EmptyGivesTheDefaults) {
  const RunConfig c = parse_config("");
  EXPECT_EQ(c.generator, "emoji-sprint");
  EXPECT_EQ(c.net.kind, core::NetKind::kHypernet);
  EXPECT_EQ(c.train.spec.steps, 100);
  EXPECT_EQ(to_toml(c), to_toml(RunConfig()));
}

TEST(ParseConfig, ReadsEverySection) {
  const RunConfig c = parse_config(R"(
generator = "sana-sprint"
seed = 7
[generator_options]
steps = 2
guidance.scale = 4.5
[[reward]]
name = "clip"
weight = 3
options = { dtype = "bfloat16" }
[[reward]]
name = "judge"
train = false
[net]
kind = "finetune"
targets = ["to_q", "to_k"]
[train]
optimiser = "sgd"
lr = 1
latents = "batch"
reg = "paper"
[eval]
seeds = [1, 2, 3]
[run]
overwrite = true
)");
  EXPECT_EQ(c.generator, "sana-sprint");
  EXPECT_EQ(c.seed, 7u);
  EXPECT_EQ(std::get<std::int64_t>(c.generator_options.at("steps")), 2);
  EXPECT_EQ(std::get<double>(c.generator_options.at("guidance.scale")), 4.5);
  ASSERT_EQ(c.rewards.size(), 2u);
  EXPECT_EQ(c.rewards[0].weight, 3);
  EXPECT_TRUE(c.rewards[0].weight_given);
  EXPECT_FALSE(c.rewards[1].weight_given);
  EXPECT_FALSE(c.rewards[1].train);
  EXPECT_EQ(c.net.kind, core::NetKind::kFinetune);
  EXPECT_EQ(c.net.targets.size(), 2u);
  EXPECT_EQ(c.train.spec.optimiser, core::Optimiser::kSgd);
  EXPECT_EQ(c.train.spec.latents, core::LatentMode::kBatch);
  EXPECT_EQ(c.train.spec.reg, core::Regulariser::kPaper);
  EXPECT_EQ(c.eval.seeds.size(), 3u);
  EXPECT_TRUE(c.run.overwrite);
}

TEST(ParseConfig, NoiseNetworks) {
  const RunConfig c = parse_config(
      "[net]\nkind = \"low-frequency\"\nfrequencies = 8\nwidth = 64\ndepth = 0\n"
      "condition = \"pooled\"\n");
  EXPECT_EQ(c.net.kind, core::NetKind::kLowFrequency);
  EXPECT_EQ(c.net.frequencies, 8);
  EXPECT_EQ(c.net.width, 64);
  EXPECT_EQ(c.net.depth, 0);
  EXPECT_EQ(c.net.condition, core::NetCondition::kPooled);
  EXPECT_EQ(to_toml(parse_config(to_toml(c))), to_toml(c));
  EXPECT_EQ(parse_config("[net]\nkind = \"constant\"").net.kind, core::NetKind::kConstant);
  const auto refused = [](const std::string& line) {
    return message_of(HN_INVALID_ARGUMENT, [&] { parse_config("[net]\n" + line); });
  };
  EXPECT_THAT(refused("kind = \"lens\""),
              ::testing::AllOf(HasSubstr("low-frequency"), HasSubstr("constant")));
  EXPECT_THAT(refused("condition = \"text\""), HasSubstr("pooled"));
  EXPECT_THAT(refused("frequencies = 0"), HasSubstr("net] frequencies"));
  EXPECT_THAT(refused("width = 0"), HasSubstr("width"));
  EXPECT_THAT(refused("depth = 65"), HasSubstr("64"));
}

TEST(ParseConfig, WhatIsWrittenReadsBackTheSame) {
  RunConfig c = parse_config("[[reward]]\nname = \"a\\\"b\\n\\\\\"\n");
  c.train.spec.lr = 1.0 / 3.0;
  c.generator_options = {{"list", std::vector<std::string>{"x", "y z"}}, {"a.b", 0.1}, {"t", true}};
  c.rewards[0].options = {{"n", std::int64_t{-4}}};
  const std::string text = to_toml(c);
  const RunConfig again = parse_config(text);
  EXPECT_EQ(to_toml(again), text);
  EXPECT_EQ(again.train.spec.lr, c.train.spec.lr);
  EXPECT_EQ(again.generator_options, c.generator_options);
  EXPECT_EQ(again.rewards[0].name, c.rewards[0].name);
}

TEST(ParseConfig, ASearchIsWrittenWhereItWasGiven) {
  EXPECT_THAT(to_toml(parse_config("")), ::testing::Not(HasSubstr("[search]")));
  const RunConfig c =
      parse_config("[search]\nmethod = \"threshold\"\nthreshold = 0.75\nn = 8\nnesterov = false\n");
  EXPECT_EQ(c.search.method, SearchMethod::kThreshold);
  EXPECT_EQ(c.search.threshold, 0.75);
  EXPECT_EQ(c.search.n, 8);
  EXPECT_FALSE(c.search.nesterov);
  EXPECT_THAT(to_toml(c), HasSubstr("\n[search]\nmethod = \"threshold\"\nn = 8\n"));
  EXPECT_EQ(to_toml(parse_config(to_toml(c))), to_toml(c));
}

TEST(ParseConfig, SetIsLaidOverTheRest) {
  const RunConfig c = parse_config(R"(
[train]
lr = 0.5
steps = 3
[[reward]]
name = "old"
[set]
train.lr = 0.25
net.rank = 4
[[set.reward]]
name = "new"
)");
  EXPECT_EQ(c.train.spec.lr, 0.25);
  EXPECT_EQ(c.train.spec.steps, 3);
  EXPECT_EQ(c.net.rank, 4);
  ASSERT_EQ(c.rewards.size(), 1u);
  EXPECT_EQ(c.rewards[0].name, "new");
}

struct Bad {
  const char* name;
  const char* text;
  const char* message;
};
class BadConfig : public ::testing::TestWithParam<Bad> {};

TEST_P(BadConfig, IsRefusedWithLineAndReason) {
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [] { parse_config(GetParam().text); }),
              HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadConfig,
    ::testing::Values(
        Bad{"Syntax", "a = 1\nb = = 2", "[configuration] line 2: not TOML"},
        Bad{"Unknown", "\nsed = 1", "line 2: sed: unknown key; did you mean 'seed'?"},
        Bad{"UnknownTable", "[trian]\nlr = 1", "line 1: trian: unknown key; did you mean 'train'?"},
        Bad{"UnknownInTable", "[train]\n\nlerning = 1\nlrr = 1", "[train] l"},
        Bad{"Nearest", "[train]\nlrr = 1", "line 2: [train] lrr: unknown key; did you mean 'lr'?"},
        Bad{"BatchOfATrillion", "[train]\nbatch = 1000000000000",
            "[train] batch: expected 1 to 1048576, got 1000000000000"},
        Bad{"TextForInteger", "seed = \"010\"", "seed: expected an integer, got text '010'"},
        Bad{"TextForNumber", "[train]\nlr = \"1,5\"", "lr: expected a number, got text '1,5'"},
        Bad{"SeedAbove", "seed = 9223372036854775808", "line 1: not TOML"},
        Bad{"SeedBelow", "seed = -5", "seed: expected 0 to 9223372036854775807, got -5"},
        Bad{"EvalSeeds", "[eval]\nseeds = [1, 2.0]",
            "expected a list of integers, got a number with a point in it"},
        Bad{"Infinite", "[train]\nlr = inf", "lr: expected a finite number, got inf"},
        Bad{"Type", "seed = \"x\"", "line 1: seed: expected an integer, got text"},
        Bad{"FloatForInteger", "[train]\nsteps = 1.5",
            "expected an integer, got a number with a point"},
        Bad{"Negative", "seed = -1", "expected 0 to"},
        Bad{"Least", "[train]\nbatch = 0", "[train] batch: expected 1 to 1048576, got 0"},
        Bad{"Most", "[train]\nbeta1 = 2", "expected at most 1, got 2"},
        Bad{"Nan", "[train]\nlr = nan", "expected a finite number, got nan"},
        Bad{"Choice", "[train]\noptimiser = \"adam\"", "expected one of adamw, sgd, got 'adam'"},
        Bad{"SectionType", "train = 3", "expected a table, got an integer"},
        Bad{"RewardType", "reward = \"clip\"", "expected [[reward]] entries, got text"},
        Bad{"RewardName", "[[reward]]\nweight = 1", "expected the name of a reward"},
        Bad{"RewardTwice", "[[reward]]\nname = \"a\"\n[[reward]]\nname = \"a\"",
            "line 4: [reward a] name: 'a' is given twice"},
        Bad{"RewardKey", "[[reward]]\nname = \"a\"\nwieght = 1",
            "did you mean 'weight' or 'weights'?"},
        Bad{"OptionDate", "[generator_options]\nx = 2020-01-01", "got a date or time"},
        Bad{"Seeds", "[eval]\nseeds = []", "expected at least one"},
        Bad{"SeedsType", "[eval]\nseeds = [1, \"a\"]", "got text in it"},
        Bad{"SetType", "set = 1", "set: expected a table"},
        Bad{"SetKey", "seed = 1\n[set]\ntrain.lrr = 1", "line 3: [train] lrr: unknown key"}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace hn::host
