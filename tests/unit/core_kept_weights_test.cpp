// What keeps a training on its way: the running average, the best state, the KL target, outlying
// gradients, and going back.
#include "core/gradient_watch.hpp"
#include "core/kl_control.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreKeptWeights : public CoreTest {
 protected:
  Numbers numbers(Session& session, Weights weights) {
    session.save_adapter(folder_ / "read", weights);
    return read_numbers(folder_ / "read" / "adapter_model.safetensors");
  }
  // A run whose Delta grows beyond all bounds.
  static SessionSpec running_away() {
    SessionSpec spec = fake_spec();
    spec.train.lr = 5e-2;
    spec.train.reg_weight = 1e-3;
    spec.rewards = {quadratic("quad", 50)};
    return spec;
  }
};

TEST_F(CoreKeptWeights, TheAverageIsThatOfEveryStep) {
  SessionSpec spec = fake_spec();
  spec.train.ema = 0.5;
  const auto session = open_session(spec, {});
  session->train_step();
  Numbers average = numbers(*session, Weights::kTrained);
  // At the start the average is the start, which lora_B's zeros and one step with decay 2/11 tell.
  for (auto& [name, values] : average)
    if (name == kB)
      for (float& v : values) v *= 1 - 2.0f / 11;
  EXPECT_LT(
      largest_difference({{kB, average[kB]}}, {{kB, numbers(*session, Weights::kAverage)[kB]}}),
      1e-6);
  for (int n = 2; n <= 12; ++n) {
    const Numbers before = numbers(*session, Weights::kAverage);
    session->train_step();
    const Numbers now = numbers(*session, Weights::kTrained);
    const double decay = std::min(0.5, (1.0 + n) / (10.0 + n));
    Numbers expected = before;
    for (auto& [name, values] : expected)
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(decay * values[i] + (1 - decay) * now.at(name)[i]);
    EXPECT_LT(largest_difference(expected, numbers(*session, Weights::kAverage)), 1e-6) << n;
  }
  EXPECT_EQ(
      largest_difference(numbers(*session, Weights::kKept), numbers(*session, Weights::kAverage)),
      0)
      << "without a best state the average is what is kept";
}

TEST_F(CoreKeptWeights, WithoutAnAverageTheTrainedNumbersAreKept) {
  const auto session = open_session(fake_spec(), {});
  for (int i = 0; i < 3; ++i) session->train_step();
  for (const Weights weights : {Weights::kAverage, Weights::kKept})
    EXPECT_EQ(largest_difference(numbers(*session, weights), numbers(*session, Weights::kTrained)),
              0);
}

TEST_F(CoreKeptWeights, TheBestStateIsWhatIsSampledAndSaved) {
  SessionSpec spec = fake_spec();
  spec.train.ema = 0.9;
  const auto session = open_session(spec, {});
  for (int i = 0; i < 4; ++i) session->train_step();
  session->keep_best(1.5);
  ASSERT_TRUE(session->best());
  EXPECT_EQ(session->best()->step, 4u);
  EXPECT_EQ(session->best()->objective, 1.5);
  const Numbers best = numbers(*session, Weights::kAverage);
  SampleRequest request;
  request.prompts = {"a red cat"};
  const std::vector<float> picture = session->sample(request).images.data;
  for (int i = 0; i < 5; ++i) session->train_step();
  EXPECT_EQ(largest_difference(best, numbers(*session, Weights::kKept)), 0);
  EXPECT_GT(largest_difference(best, numbers(*session, Weights::kAverage)), 0);
  EXPECT_EQ(session->sample(request).images.data, picture);
  request.weights = Weights::kTrained;
  EXPECT_NE(session->sample(request).images.data, picture);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("[keep_best] objective: expected a finite number"),
               session->keep_best(std::nan("")));
  set_adapter(*session, busy_adapter(), folder_);
  EXPECT_FALSE(session->best()) << "another adapter has no best state yet";
}

TEST_F(CoreKeptWeights, ResumedIsUninterruptedBitForBit) {
  SessionSpec spec = running_away();
  spec.train.ema = 0.9;
  spec.train.kl_target = 0.05;
  spec.train.outlier = 1.1;
  spec.train.warmup = 3;
  spec.train.max_returns = 100;
  const auto run = [&](Session& session, std::uint64_t until) {
    while (session.step() < until) {
      session.train_step();
      if (session.step() == 5) session.keep_best(2);
      if (session.step() == 9) session.go_back("a test");
    }
  };
  const auto whole = open_session(spec, {});
  run(*whole, 20);
  for (const std::uint64_t cut : {3u, 6u, 9u, 14u}) {
    const auto first = open_session(spec, {});
    run(*first, cut);
    first->save_checkpoint(folder_ / "checkpoint.safetensors");
    const auto second = open_session(spec, {});
    second->load_checkpoint(folder_ / "checkpoint.safetensors");
    EXPECT_EQ(second->best().has_value(), cut >= 5);
    run(*second, 20);
    for (const Weights weights : {Weights::kTrained, Weights::kAverage, Weights::kKept})
      EXPECT_EQ(largest_difference(numbers(*whole, weights), numbers(*second, weights)), 0) << cut;
  }
}

TEST_F(CoreKeptWeights, TheTargetHoldsDelta) {
  const auto last_kl = [](const SessionSpec& spec, int steps) {
    const auto session = open_session(spec, {});
    double kl = 0;
    for (int i = 0; i < steps; ++i) kl = session->train_step().kl;
    return kl;
  };
  SessionSpec spec = running_away();
  spec.train.lr = 1e-3;
  spec.train.reg_weight = 1;  // some hundred times too little
  const double free = last_kl(spec, 600);
  spec.train.kl_target = free / 5;
  const double held = last_kl(spec, 600);
  EXPECT_LT(held, 1.5 * spec.train.kl_target);
  EXPECT_GT(held, 0.1 * spec.train.kl_target);
}

TEST_F(CoreKeptWeights, ARunThatIsAwayGoesBackAndStopsInTheEnd) {
  SessionSpec spec = running_away();
  spec.train.ema = 0.9;
  spec.train.kl_target = 1e-7;
  spec.train.max_returns = 1;
  const auto session = open_session(spec, {});
  std::vector<StepReport> returns;
  double first_rate = 0;
  for (int i = 0; i < 200 && session->stopped().empty(); ++i) {
    const StepReport report = session->train_step();
    if (i == 0) first_rate = report.lr;
    if (returns.size() == 1) {
      EXPECT_DOUBLE_EQ(report.lr, first_rate / 2);
    }
    if (!report.went_back.empty()) returns.push_back(report);
  }
  ASSERT_EQ(returns.size(), 2u);
  EXPECT_THAT(returns[0].went_back, AllOf(HasSubstr("0.5 |delta|^2 is"), HasSubstr("1e-07")));
  EXPECT_THAT(session->stopped(), AllOf(HasSubstr("left its way 2 times"), HasSubstr("train.lr")));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("left its way"), session->train_step());
}

TEST_F(CoreKeptWeights, MoreStepsThanTheCheckpointWasBegunWith) {
  SessionSpec spec = fake_spec();
  spec.train.schedule = Schedule::kLinear;
  const auto first = open_session(spec, {});
  for (int i = 0; i < 3; ++i) first->train_step();
  first->save_checkpoint(folder_ / "checkpoint.safetensors");
  spec.train.steps = 40;
  const auto longer = open_session(spec, {});
  longer->load_checkpoint(folder_ / "checkpoint.safetensors");
  EXPECT_EQ(longer->step(), 3u);
  spec.train.steps = 10;
  const auto shorter = open_session(spec, {});
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("train.steps: the checkpoint has 20, the session 10"),
               shorter->load_checkpoint(folder_ / "checkpoint.safetensors"));
}

TEST_F(CoreKeptWeights, WhatIsOutOfRangeIsNamed) {
  const auto problem = [](auto change) {
    SessionSpec spec = fake_spec();
    change(spec.train);
    return failure_of([&] { open_session(spec, {}); }).text;
  };
  EXPECT_THAT(problem([](TrainSpec& t) { t.ema = 1; }),
              HasSubstr("train.ema: expected at least 0"));
  EXPECT_THAT(problem([](TrainSpec& t) { t.outlier = 0.5; }), HasSubstr("train.outlier: expected"));
  EXPECT_THAT(problem([](TrainSpec& t) { t.kl_target = -2; }), HasSubstr("train.kl_target"));
  EXPECT_THAT(problem([](TrainSpec& t) { t.return_factor = 0; }), HasSubstr("train.return_factor"));
  EXPECT_THAT(problem([](TrainSpec& t) { t.max_returns = -1; }), HasSubstr("train.max_returns"));
}

TEST(CoreGradientWatch, ABeyondTheLimitCountsTheLessTheFartherOutItIs) {
  GradientWatch watch(4);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(watch.share(i < GradientWatch::kEnough ? 1e9 : 8), 1) << i;
    watch.add(2);
  }
  EXPECT_NEAR(watch.limit(), 8, 1e-9);
  EXPECT_NEAR(watch.share(16), 0.5, 1e-9);
  EXPECT_NEAR(watch.share(800), 0.01, 1e-9);
  watch.add(800);
  EXPECT_LT(watch.limit(), 10) << "taken in as its limit";
  GradientWatch copy(4);
  copy.restore(watch.numbers());
  EXPECT_EQ(copy.limit(), watch.limit());
}

TEST(CoreSampleWatch, CutsAtAMultipleOfTheGeometricMean) {
  SampleWatch watch(2);
  const std::vector<double> norms = {1, std::exp(1.0), std::exp(2.0), std::exp(-1.0), 0};
  for (int i = 0; i < 60; ++i) {
    if (i < SampleWatch::kEnough) {
      EXPECT_TRUE(std::isinf(watch.limit())) << i;
      EXPECT_EQ(watch.push(), 1) << i;
    }
    watch.add(norms);
  }
  // The logarithms' mean is 0.5, so that e^2 alone is beyond 2 e^0.5.
  const double limit = 2 * std::exp(0.5);
  EXPECT_NEAR(watch.limit(), limit, 1e-6);
  const double rest = 1 + std::exp(1.0) + std::exp(-1.0);
  EXPECT_NEAR(watch.push(), (rest + std::exp(2.0)) / (rest + limit), 1e-6);
  SampleWatch copy(2);
  copy.restore(watch.numbers());
  EXPECT_EQ(copy.limit(), watch.limit());
  EXPECT_EQ(copy.push(), watch.push());
}

TEST(CoreSampleWatch, OneMonsterMovesLittle) {
  SampleWatch watch(2);
  for (int i = 0; i < 60; ++i) watch.add(std::vector<double>{1, std::exp(1.0), std::exp(-1.0)});
  const double limit = watch.limit(), push = watch.push();
  watch.add(std::vector<double>{1e30, 1, std::exp(-1.0)});
  EXPECT_LT(watch.limit(), 1.2 * limit);
  EXPECT_LT(watch.push(), 1.5 * push);
}

TEST(CoreSampleWatch, OffOrAlike) {
  SampleWatch alike(2);
  for (int i = 0; i < 20; ++i) alike.add(std::vector<double>{3, 3});
  EXPECT_NEAR(alike.limit(), 6, 1e-9);
  EXPECT_NEAR(alike.push(), 1, 1e-12);
  SampleWatch off(0);
  for (int i = 0; i < 20; ++i) off.add(std::vector<double>{1, 100});
  EXPECT_TRUE(std::isinf(off.limit()));
  EXPECT_EQ(off.push(), 1);
}

TEST(CoreGradientWatch, OffWithoutAFactor) {
  GradientWatch watch(0);
  for (int i = 0; i < 20; ++i) watch.add(1);
  EXPECT_EQ(watch.share(1e30), 1);
}

TEST(CoreKlControl, ABarrierAndASlowRiseNeverBelowTheUsersWeight) {
  KlControl control(2);
  EXPECT_EQ(control.factor(), 1);
  control.add(1);
  EXPECT_EQ(control.factor(), 1);
  for (int i = 0; i < 10; ++i) control.add(1.5);
  EXPECT_EQ(control.factor(), 1) << "below the target";
  KlControl high(2);
  high.add(4);
  // Twice the target: 4 at once, and a step's rise.
  EXPECT_NEAR(high.factor(), 4 * std::exp(KlControl::kGain * std::log(2.0)), 1e-9);
  for (int i = 0; i < 20; ++i) high.add(4);
  const double risen = high.factor();
  EXPECT_NEAR(risen, 4 * std::exp(21 * KlControl::kGain * std::log(2.0)), 1e-9);
  EXPECT_FALSE(high.away());
  for (int i = 0; i < 20; ++i) high.add(1);
  EXPECT_LT(high.factor(), risen / 4) << "gone with its cause";
  for (int i = 0; i < 100; ++i) high.add(1);
  EXPECT_EQ(high.factor(), 1) << "not wound up";
  for (int i = 0; i < 200; ++i) control.add(100);
  EXPECT_TRUE(control.away());
  KlControl copy(2);
  copy.restore(control.numbers());
  EXPECT_EQ(copy.factor(), control.factor());
  EXPECT_TRUE(copy.away());
  control.forget();
  EXPECT_FALSE(control.away());
  KlControl none(0);
  none.add(1e9);
  EXPECT_EQ(none.factor(), 1);
  EXPECT_FALSE(none.away());
}

}  // namespace
}  // namespace hn::core::test
