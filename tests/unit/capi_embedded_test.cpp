// The shared library, its core and real plugins as a C++ embedder has them (hnhost.hpp): rewards
// alone, calls from a step's hook, what hooks throw, prompts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <hnhost/hnhost.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/float_views.hpp"

namespace {

using hn::engine::Hooks;
using hn::engine::Rewards;
using hn::engine::Session;
using hn::test::Floats;
using ::testing::HasSubstr;

constexpr const char* kRewards = "threads = 1\n[[reward]]\nname = \"redness\"\n";
constexpr const char* kSession =
    "generator = \"emoji-sprint\"\nthreads = 1\n[[reward]]\nname = \"redness\"\n[net]\nrank = 2\n"
    "[train]\nbatch = 2\nsteps = 4\n";

class Embedded : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // The machine's own plugins are none of this test's business.
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    unsetenv("HN_PLUGIN_PATH");
  }
  // The code of what body throws, and its text in text_.
  template <class Body>
  hn_status code_of(const Body& body) {
    try {
      body();
    } catch (const hn::engine::Error& error) {
      text_ = error.what();
      return error.code();
    }
    return HN_OK;
  }
  hn::engine::Host host_;
  std::string text_;
};

TEST_F(Embedded, RewardsAloneScoreTensorsOfAnyStrides) {
  std::vector<std::string> stages;
  Hooks hooks;
  hooks.progress = [&](std::string_view what, std::uint64_t, std::uint64_t) {
    stages.emplace_back(what);
  };
  Rewards rewards = host_.open_rewards(kRewards, hooks);
  EXPECT_THAT(stages, ::testing::Contains("loading redness"));
  const auto facts = nlohmann::json::parse(rewards.describe());
  EXPECT_EQ(facts["rewards"][0]["differentiable"], true);
  EXPECT_EQ(facts["rewards"][0]["reads_prompts"], false);
  EXPECT_FALSE(facts.contains("noise"));

  Floats compact({2, 3, 4, 5}), last({2, 3, 4, 5});  // the same numbers with the channels last
  std::int64_t strides[] = {60, 1, 15, 3};
  last.tensor.strides = strides;
  for (std::int64_t i = 0; i < 120; ++i) {
    const float value = 0.5f + 0.4f * std::sin(static_cast<float>(i));
    compact.data[static_cast<std::size_t>(i)] = value;
    const std::int64_t b = i / 60, c = i / 20 % 3, y = i / 5 % 4, x = i % 5;
    last.data[static_cast<std::size_t>(60 * b + c + 15 * y + 3 * x)] = value;
  }
  const auto score = [&](const Floats& images, Floats& scores, Floats& gradient) {
    hnhost_score_args args{};
    args.images = &images.tensor;
    args.scores = &scores.tensor;
    args.image_grad = &gradient.tensor;
    rewards.score(args);
  };
  Floats a({2}), b({2}), ga({2, 3, 4, 5}), gb({2, 3, 4, 5});
  score(compact, a, ga);
  score(last, b, gb);
  EXPECT_EQ(a.data, b.data);
  EXPECT_EQ(ga.data, gb.data);
  EXPECT_NE(a.data[0], a.data[1]);
  const auto wrong = [&] {
    hnhost_score_args args{};
    args.images = &a.tensor;
    args.scores = &b.tensor;
    rewards.score(args);
  };
  EXPECT_EQ(code_of(wrong), HN_INVALID_ARGUMENT);
  EXPECT_THAT(text_, HasSubstr("[hnhost_score] images: expected float32 [*,3,*,*] on the CPU, got "
                               "float32 [2] on the CPU"));
}

TEST_F(Embedded, ASessionServesItsOwnStepHook) {
  Session session = host_.open_session(kSession);
  const auto shape = nlohmann::json::parse(session.describe())["image"];
  Floats images({2, 3, shape[1].get<std::int64_t>(), shape[2].get<std::int64_t>()}), scores({2});
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("hn-embedded-" + std::to_string(::getpid()));
  std::vector<float> before;
  Hooks hooks;
  hooks.step = [&](const hnhost_step& step) {
    hnhost_sample_args sample{};
    sample.seed = 7;
    sample.images = &images.tensor;
    session.sample(sample, {"a red apple", "a cat"});
    hnhost_score_args score{};
    score.images = &images.tensor;
    score.scores = &scores.tensor;
    session.score(score);
    session.save_adapter((folder / "adapter").string());
    session.save_checkpoint((folder / ("c" + std::to_string(step.step))).string());
    if (before.empty()) before = images.data;
    return true;
  };
  std::filesystem::create_directories(folder);
  session.train(2, hooks);
  EXPECT_NE(images.data, before) << "it trains on";
  const std::vector<float> trained = images.data;

  // The same steps without a hook between them: it changed nothing.
  Session plain = host_.open_session(kSession);
  plain.train(2);
  Floats again(images.shape);
  hnhost_sample_args sample{};
  sample.seed = 7;
  sample.images = &again.tensor;
  plain.sample(sample, {"a red apple", "a cat"});
  EXPECT_EQ(again.data, trained);
  plain.load_checkpoint((folder / "c1").string());
  std::filesystem::remove_all(folder);
}

TEST_F(Embedded, WhatAHookThrowsComesOutOfTheCall) {
  struct Mine {};
  Hooks hooks;
  hooks.progress = [](std::string_view, std::uint64_t, std::uint64_t) { throw Mine(); };
  EXPECT_THROW(host_.open_rewards(kRewards, hooks), Mine);
  Session session = host_.open_session(kSession);
  Hooks at_step;
  int steps = 0;
  at_step.step = [&](const hnhost_step&) -> bool {
    ++steps;
    throw Mine();
  };
  EXPECT_THROW(session.train(3, at_step), Mine);
  EXPECT_EQ(steps, 1);
  session.train(1);
}

TEST_F(Embedded, StoppingAndRefusals) {
  Hooks cancelled;
  cancelled.cancelled = [] { return true; };
  EXPECT_EQ(code_of([&] { host_.open_session(kSession, cancelled); }), HN_CANCELLED);
  Session session = host_.open_session(kSession);
  session.cancel();
  EXPECT_EQ(code_of([&] { session.train(1); }), HN_CANCELLED);
  session.train(1);
  const auto shape = nlohmann::json::parse(session.describe())["image"];
  Floats images({1, 3, shape[1].get<std::int64_t>(), shape[2].get<std::int64_t>()});
  hnhost_sample_args args{};
  args.images = &images.tensor;
  EXPECT_EQ(code_of([&] { session.sample(args, {{"a cat", "dogs", ""}}); }), HN_UNSUPPORTED);
  EXPECT_THAT(text_, HasSubstr("prompt 'a cat' has a negative prompt"));
  session.sample(args, {{"a cat", "", "{\"tag\": \"counting\"}"}});
  const hn_stream elsewhere = {kDLCUDA, 0, 1};
  EXPECT_EQ(code_of([&] { host_.open_rewards(kRewards, {}, elsewhere); }), HN_INVALID_ARGUMENT);
  EXPECT_THAT(text_, HasSubstr("[session] stream: expected one of the CPU"));
}

}  // namespace
