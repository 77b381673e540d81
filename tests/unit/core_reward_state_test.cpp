// Ensembles in training: turns, sub-batches, normalisation, the watch and guards, and that all of
// it survives a checkpoint.
#include <cmath>

#include "core/reward_state.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(RunningScaleTest, IsTheMeanAndDeviation) {
  RunningScale scale;
  const double values[] = {1, 4, 2, 8, 5, 7};
  double sum = 0, squares = 0;
  for (const double v : values) {
    scale.add(v);
    sum += v / 6;
  }
  for (const double v : values) squares += (v - sum) * (v - sum) / 6;
  EXPECT_NEAR(scale.mean, sum, 1e-12);
  EXPECT_NEAR(scale.deviation(), std::sqrt(squares), 1e-5);
  EXPECT_FALSE(scale.ready());
  for (int i = 0; i < 40; ++i) scale.add(3);
  EXPECT_TRUE(scale.ready());
}

TEST(RewardStateTest, NumbersComeBack) {
  RewardState s;
  s.scale = {5, 0.5, 0.25};
  s.last = 2;
  s.start = 7;
  s.wait = 3;
  const RewardState back = RewardState::from(s.numbers());
  EXPECT_EQ(back.numbers(), s.numbers());
  EXPECT_EQ(back.wait, 3);
  EXPECT_TRUE(std::isinf(back.low));
}

SessionSpec watched_spec(std::int64_t watch = 3) {
  SessionSpec spec = fake_spec();
  spec.train.watch = watch;
  return spec;
}

// The warnings of these steps, each a list of scores.
std::vector<std::string> warnings_of(const SessionSpec& spec,
                                     const std::vector<StepScores>& steps) {
  RewardStates states(spec);
  std::vector<std::string> all;
  for (const StepScores& step : steps) {
    StepReport report;
    states.finish_step(std::span(&step, 1), report);
    all.insert(all.end(), report.warnings.begin(), report.warnings.end());
  }
  return all;
}

TEST(RewardWatch, AConstantIsNamedOnce) {
  const std::vector<StepScores> steps(9, StepScores{{0.5, 0.5}, false});
  const auto warnings = warnings_of(watched_spec(), steps);
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("reward quad: the same score 0.5 for every sample in its last "
                                     "3 steps"));
}

TEST(RewardWatch, OneScoreAStepIsNamed) {
  const auto warnings = warnings_of(
      watched_spec(), {{{1, 1}, false}, {{2, 2}, false}, {{3, 3}, false}, {{3, 4}, false}});
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("reward quad: one score for all samples of a step")));
}

TEST(RewardWatch, BlindnessToPromptsIsNamed) {
  const auto warnings =
      warnings_of(watched_spec(), {{{1, 2}, true}, {{2, 3}, false}, {{3, 4}, false}});
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("exchanging the prompts changed no score")));
}

TEST(RewardWatch, SoundScoresAreLeftInPeace) {
  EXPECT_THAT(warnings_of(watched_spec(), {{{1, 2}, false}, {{2, 3}, false}, {{3, 4}, false}}),
              IsEmpty());
  EXPECT_THAT(warnings_of(watched_spec(0), std::vector<StepScores>(9, StepScores{{1, 1}, true})),
              IsEmpty())
      << "watch = 0 is off";
}

TEST(RewardWatch, AKnownBrokenScoreRingsAtOnce) {
  SessionSpec spec = watched_spec(0);
  spec.rewards[0].alarms = {{-0.16178, 1e-4, "the head gave 0"}};
  const auto warnings = warnings_of(spec, {{{-0.1618, -0.16175}, false}, {{-0.16178, 3}, false}});
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("every score is -0.16178: the head gave 0")));
}

SessionSpec guarded_spec(GuardSpec guard) {
  SessionSpec spec = watched_spec(0);
  guard.reward = "quad";
  spec.train.guards = {std::move(guard)};
  return spec;
}

TEST(RewardGuard, StopsBelowABound) {
  const SessionSpec spec = guarded_spec({.reward = {}, .bound = 0.5, .drop = {}});
  RewardStates states(spec);
  StepReport report;
  const auto give = [&](double score) {
    const StepScores step{{score, score}, false};
    states.finish_step(std::span(&step, 1), report);
  };
  for (int i = 0; i < 4; ++i) give(1.0);
  EXPECT_THAT(states.stopped(), IsEmpty());
  for (int i = 0; i < 20 && states.stopped().empty(); ++i) give(0.0);
  EXPECT_THAT(states.stopped(), HasSubstr("guard quad: its smoothed score"));
  EXPECT_THAT(states.stopped(), HasSubstr("worse than the bound 0.5"));
}

TEST(RewardGuard, ADropIsMeasuredFromTheStartAndInTheRewardsDirection) {
  SessionSpec spec =
      guarded_spec({.reward = {}, .bound = {}, .drop = 0.5, .stop = false, .factor = 0.25});
  spec.rewards[0].higher_is_better = false;
  RewardStates states(spec);
  StepReport report;
  const auto give = [&](double score) {
    const StepScores step{{score}, false};
    states.finish_step(std::span(&step, 1), report);
  };
  for (int i = 0; i < 3; ++i) give(2.0);
  for (int i = 0; i < 10; ++i) give(-5.0);
  EXPECT_EQ(states.factor(), 1) << "lower is better here";
  for (int i = 0; i < 10 && states.factor() == 1; ++i) give(9.0);
  EXPECT_EQ(states.factor(), 0.25);
  EXPECT_THAT(report.warnings.back(), HasSubstr("lowered to 0.25 of theirs"));
  for (int i = 0; i < 3; ++i) give(9.0);
  EXPECT_EQ(states.factor(), 0.25) << "it waits before the next one";
  give(9.0);
  EXPECT_EQ(states.factor(), 0.0625);
  EXPECT_NEAR(states.slope(0), -2 * 0.0625, 1e-12);
}

class CoreEnsemble : public CoreTest {
 protected:
  // SGD without momentum moves by -lr * gradient.
  Numbers gradient_at(SessionSpec spec, int steps = 1) {
    spec.train.optimiser = Optimiser::kSgd;
    spec.train.momentum = 0;
    spec.train.lr = 1;
    const auto session = open_session(spec, {});
    for (int i = 1; i < steps; ++i) session->train_step();
    const Numbers start = busy_adapter();
    set_adapter(*session, start, folder_, spec.net.rank);
    session->train_step();
    Numbers after = adapter_of(*session, folder_);
    for (auto& [name, values] : after)
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = start.at(name)[i] - values[i];
    return after;
  }
};

TEST_F(CoreEnsemble, EveryKthStepRunsAndWeighsKTimes) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("a", 2), quadratic("b", 1)};
  spec.rewards[1].every = 3;
  const auto session = open_session(spec, {});
  std::vector<bool> ran;
  double reward = 0;
  for (int i = 0; i < 7; ++i) {
    const StepReport r = session->train_step();
    ran.push_back(std::isfinite(r.rewards[1]));
    reward = r.reward;
  }
  EXPECT_THAT(ran, ElementsAre(true, false, false, true, false, false, true));
  EXPECT_TRUE(std::isfinite(reward));

  SessionSpec alone = fake_spec();
  alone.rewards = {quadratic("b", 1)};
  alone.train.reg_weight = 0;
  SessionSpec thrice = alone;
  alone.rewards[0].weight = 3;
  thrice.rewards[0].every = 3;
  EXPECT_LT(largest_difference(gradient_at(alone), gradient_at(thrice)), 1e-6);
}

TEST_F(CoreEnsemble, ASubBatchIsTheMeanOverItsSamples) {
  SessionSpec spec = fake_spec();
  spec.train.reg_weight = 0;
  spec.train.batch = 6;
  spec.rewards[0].batch = 2;
  const Numbers part = gradient_at(spec);
  for (const std::int64_t micro : {1, 2, 4}) {
    spec.train.micro_batch = micro;
    EXPECT_LT(largest_difference(part, gradient_at(spec)), 1e-6) << micro;
  }
  // Noise is drawn by the sample's number, so a batch of two has the same first two samples.
  SessionSpec small = fake_spec();
  small.train.reg_weight = 0;
  small.train.batch = 2;
  EXPECT_LT(largest_difference(part, gradient_at(small)), 1e-6);
}

TEST_F(CoreEnsemble, AMonitorRunsWithoutGradientAndOthersNotAtAll) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("a"), quadratic("monitor"), quadratic("eval")};
  spec.rewards[1].train = spec.rewards[2].train = false;
  spec.rewards[1].every = 2;
  spec.rewards[2].every = 0;
  const auto session = open_session(spec, {});
  const StepReport first = session->train_step(), second = session->train_step();
  EXPECT_TRUE(std::isfinite(first.rewards[1]));
  EXPECT_TRUE(std::isnan(first.rewards[2]));
  EXPECT_TRUE(std::isnan(second.rewards[1]));
  EXPECT_NEAR(first.reward, 2 * first.rewards[0], 1e-9);
}

TEST_F(CoreEnsemble, NormalisedScoresForgetTheirUnit) {
  const auto run = [&](double weight, double unit) {
    SessionSpec spec = fake_spec();
    spec.train.reward_normalise = true;
    spec.train.batch = 32;  // enough for the deviation after the first step
    spec.train.reg_weight = 0;
    spec.rewards = {quadratic("quad", weight)};
    spec.rewards[0].loss_scale = unit;
    return gradient_at(spec, 2);
  };
  const Numbers one = run(1, 1);
  double largest = 0;
  for (const auto& [name, values] : one)
    for (const float g : values) largest = std::max(largest, std::abs(static_cast<double>(g)));
  ASSERT_GT(largest, 1e-3);
  const auto session_slope = [&](bool normalise) {
    SessionSpec spec = fake_spec();
    spec.train.reward_normalise = normalise;
    RewardStates states(spec);
    StepScores step;
    for (int i = 0; i < 40; ++i) step.scores.push_back(0.01 * i);
    StepReport report;
    states.finish_step(std::span(&step, 1), report);
    return states.slope(0);
  };
  RunningScale scale;
  for (int i = 0; i < 40; ++i) scale.add(0.01 * i);
  EXPECT_NEAR(session_slope(true), session_slope(false) / scale.deviation(), 1e-9);
}

TEST_F(CoreEnsemble, ResumesToTheSameBits) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("a", 2), quadratic("b", 1), quadratic("monitor")};
  spec.rewards[1].every = 3;
  spec.rewards[1].batch = 2;
  spec.rewards[2].train = false;
  spec.rewards[2].every = 2;
  spec.train.reward_normalise = true;
  spec.train.batch = 16;
  GuardSpec guard;
  guard.reward = "monitor";
  guard.bound = 1e9;  // always below: it lowers the weights again and again
  guard.stop = false;
  spec.train.guards = {guard};
  const auto whole = open_session(spec, {});
  for (int i = 0; i < 7; ++i) whole->train_step();
  whole->save_checkpoint(folder_ / "c.safetensors");
  const auto resumed = open_session(spec, {});
  resumed->load_checkpoint(folder_ / "c.safetensors");
  for (int i = 0; i < 9; ++i) {
    const StepReport a = whole->train_step(), b = resumed->train_step();
    EXPECT_EQ(a.loss, b.loss) << i;
    EXPECT_EQ(a.reward, b.reward) << i;
    EXPECT_EQ(a.reward_factor, b.reward_factor) << i;
    EXPECT_EQ(a.warnings, b.warnings) << i;
  }
  EXPECT_LT(whole->train_step().reward_factor, 1);
  EXPECT_EQ(largest_difference(adapter_of(*whole, folder_), adapter_of(*resumed, folder_)) > 0,
            true)
      << "one of them is a step ahead";
  spec.rewards[1].every = 4;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("reward.b.every: the checkpoint has 3"),
               open_session(spec, {})->load_checkpoint(folder_ / "c.safetensors"));
}

TEST_F(CoreEnsemble, AStopIsRememberedAndRefusesFurtherSteps) {
  SessionSpec spec = fake_spec();
  GuardSpec guard;
  guard.reward = "quad";
  guard.bound = 1e9;
  spec.train.guards = {guard};
  const auto session = open_session(spec, {});
  while (session->stopped().empty()) ASSERT_LT(session->train_step().step, 10u);
  session->save_checkpoint(folder_ / "c.safetensors");
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("guard quad"), session->train_step());
  const auto resumed = open_session(spec, {});
  resumed->load_checkpoint(folder_ / "c.safetensors");
  EXPECT_THAT(resumed->stopped(), HasSubstr("a guard stopped"));
}

// The fake pictures are 2 x 2; two rewards see them through one resize to 3 x 3.
TEST_F(CoreEnsemble, ASharedResizeHasTheGradientOfItsOwn) {
  const auto loss_at = [&](SessionSpec spec, const Numbers& adapter) {
    spec.train.lr = 0;
    const auto session = open_session(spec, {});
    set_adapter(*session, adapter, folder_, spec.net.rank);
    return session->train_step().loss;
  };
  SessionSpec spec = fake_spec();
  spec.train.reg_weight = 0;
  spec.rewards = {quadratic("a", 2), quadratic("b", 1), quadratic("whole", 0.5)};
  spec.rewards[0].resize = spec.rewards[1].resize = 3;
  spec.rewards[1].batch = 2;
  const Numbers adapter = busy_adapter(), gradient = gradient_at(spec);
  double largest = 0;
  for (const auto& [name, values] : gradient)
    for (const float g : values) largest = std::max(largest, std::abs(static_cast<double>(g)));
  ASSERT_GT(largest, 1e-3);
  for (const auto& [name, values] : gradient)
    for (std::size_t i = 0; i < values.size(); i += 3) {
      Numbers up = adapter, down = adapter;
      up[name][i] += 2e-2f;
      down[name][i] -= 2e-2f;
      const double width = static_cast<double>(up[name][i]) - down[name][i];
      EXPECT_NEAR((loss_at(spec, up) - loss_at(spec, down)) / width, values[i], 5e-3 * largest)
          << name << " " << i;
    }
}

TEST_F(CoreEnsemble, BadSettingsAreNamed) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].every = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("reward quad.every: expected 1 or more"),
               open_session(spec, {}));
  spec = fake_spec();
  spec.rewards[0].batch = -1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("reward quad.batch"), open_session(spec, {}));
  spec = guarded_spec({});
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("either bound or drop, got neither"),
               open_session(spec, {}));
  spec = guarded_spec({.reward = {}, .bound = 1, .drop = {}});
  spec.train.guards[0].reward = "other";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("guard other: expected a reward that runs"),
               open_session(spec, {}));
}

}  // namespace
}  // namespace hn::core::test
