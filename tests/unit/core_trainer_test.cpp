#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CoreTrainer : public CoreTest {};

TEST_F(CoreTrainer, TheRewardRises) {
  SessionSpec spec = fake_spec();
  spec.train.lr = 2e-2;
  spec.train.reg_weight = 0.01;
  const auto session = open_session(spec, {});
  double first = 0, last = 0;
  for (int i = 0; i < 200; ++i) {
    const StepReport r = session->train_step();
    (i < 20 ? first : i >= 180 ? last : spec.train.eps) += r.reward / 20;
    EXPECT_EQ(r.step, static_cast<std::uint64_t>(i + 1));
  }
  EXPECT_GT(last, first / 2) << "the quadratic's shortfall (a negative number) at least halves";
  EXPECT_EQ(session->step(), 200u);
}

TEST_F(CoreTrainer, ReportsWhatItSays) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("a", 2), quadratic("b", 7)};
  spec.rewards[1].train = false;
  spec.train.lr = 0;
  const auto session = open_session(spec, {});
  const StepReport start = session->train_step();
  EXPECT_EQ(start.kl, 0) << "B = 0: no offset at first";
  EXPECT_EQ(start.delta_rms, 0);
  ASSERT_EQ(start.rewards.size(), 2u);
  EXPECT_FLOAT_EQ(start.rewards[0], start.rewards[1]);
  EXPECT_NEAR(start.reward, 2 * start.rewards[0], 1e-9);
  EXPECT_NEAR(start.loss, 2 * (1 - start.rewards[0]), 1e-6);
  EXPECT_GT(start.grad_norm, 0);
  EXPECT_GT(start.seconds, 0);
  EXPECT_FALSE(start.skipped);
  set_adapter(*session, busy_adapter(), folder_);
  const StepReport busy = session->train_step();
  EXPECT_NEAR(busy.delta_rms, std::sqrt(2 * busy.kl / fake::kNoise), 1e-9);
  EXPECT_NEAR(busy.loss, busy.kl / fake::kNoise + 2 * (1 - busy.rewards[0]), 1e-6);
}

// The warnings of the first steps.
std::vector<std::string> warnings_of(Session& session, int steps) {
  std::vector<std::string> all;
  for (int i = 0; i < steps; ++i)
    for (const std::string& text : session.train_step().warnings) all.push_back(text);
  return all;
}

TEST_F(CoreTrainer, ARewardWhoseGradientIsZeroIsTold) {
  // Behind another reward too, whose gradient is in the same buffer.
  for (const std::size_t which : {0u, 1u}) {
    SessionSpec spec = fake_spec();
    spec.rewards = {quadratic("first"), quadratic("second")};
    spec.rewards[which].options["detached"] = true;
    const auto session = open_session(spec, {});
    EXPECT_THAT(warnings_of(*session, 2), ::testing::IsEmpty());
    EXPECT_THAT(warnings_of(*session, 6),
                ElementsAre(AllOf(HasSubstr("reward " + spec.rewards[which].name + ": "),
                                  HasSubstr("exactly zero everywhere in 3 steps"))));
  }
  EXPECT_THAT(warnings_of(*open_session(fake_spec(), {}), 4), ::testing::IsEmpty());
}

TEST_F(CoreTrainer, LookingAtGradientsChangesNoBit) {
  SessionSpec spec = fake_spec();
  spec.rewards = {quadratic("a"), quadratic("b", 7)};
  const auto run = [&](std::int64_t watch) {
    spec.train.watch = watch;
    const auto session = open_session(spec, {});
    for (int i = 0; i < 4; ++i) session->train_step();
    return adapter_of(*session, folder_);
  };
  EXPECT_EQ(largest_difference(run(20), run(0)), 0);
}

TEST_F(CoreTrainer, ARewardThatMixesItsBatchIsToldOnce) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].options["blends"] = true;
  const auto session = open_session(spec, {});
  EXPECT_THAT(warnings_of(*session, 3),
              ElementsAre(AllOf(HasSubstr("reward quad: it mixes its batch"),
                                HasSubstr("alone and"), HasSubstr("HN_FN_MIXES_SAMPLES"))));
  spec.rewards[0].options["mixes"] = true;  // it says so
  EXPECT_THAT(warnings_of(*open_session(spec, {}), 2), ::testing::IsEmpty());
}

TEST_F(CoreTrainer, SameSeedSameBitsOtherSeedOtherRun) {
  SessionSpec spec = fake_spec();
  const auto run = [&] {
    const auto session = open_session(spec, {});
    for (int i = 0; i < 5; ++i) session->train_step();
    return adapter_of(*session, folder_);
  };
  const Numbers a = run();
  EXPECT_EQ(largest_difference(a, run()), 0);
  spec.seed = 8;
  EXPECT_GT(largest_difference(a, run()), 0);
}

TEST_F(CoreTrainer, TwoSessionsInOneProcessDoNotTouchEachOther) {
  SessionSpec spec = fake_spec();
  const auto a = open_session(spec, {});
  spec.threads = 2;
  const auto b = open_session(spec, {});
  for (int i = 0; i < 3; ++i) {
    const StepReport ra = a->train_step(), rb = b->train_step();
    EXPECT_EQ(ra.loss, rb.loss);
  }
}

struct Fault {
  const char* name;
  const char* fault;
  const char* text;
};
class CoreTrainerNotFinite : public CoreTest, public ::testing::WithParamInterface<Fault> {
 protected:
  void arm(int times) {
    fake::state().fault = GetParam().fault;
    fake::state().times = times;
  }
};

TEST_P(CoreTrainerNotFinite, StopNamesItAndKeepsTheState) {
  const auto session = open_session(fake_spec(), {});
  session->train_step();
  const Numbers before = adapter_of(*session, folder_);
  arm(1);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, AllOf(HasSubstr("step 2: "), HasSubstr(GetParam().text)),
               session->train_step());
  EXPECT_EQ(session->step(), 1u);
  EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
  EXPECT_EQ(session->train_step().step, 2u) << "and it can go on";
}

TEST_P(CoreTrainerNotFinite, SkipCountsTheStepAndChangesNothing) {
  SessionSpec spec = fake_spec();
  spec.train.non_finite = NonFinite::kSkip;
  std::vector<std::string> log;
  const auto session = open_session(
      spec, {[&](std::int32_t, std::string_view text) { log.emplace_back(text); }, {}, {}});
  session->train_step();
  const Numbers before = adapter_of(*session, folder_);
  arm(1);
  const StepReport r = session->train_step();
  EXPECT_TRUE(r.skipped);
  EXPECT_THAT(r.why, HasSubstr(GetParam().text));
  EXPECT_EQ(session->step(), 2u);
  EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
  ASSERT_FALSE(log.empty());
  EXPECT_THAT(log.back(), HasSubstr("skipped"));
  EXPECT_FALSE(session->train_step().skipped);
}

INSTANTIATE_TEST_SUITE_P(
    Places, CoreTrainerNotFinite,
    ::testing::Values(
        Fault{"score", "nan:score", "reward quad: nan at sample 0 (prompt '"},
        Fault{"score_inf", "inf:score", "reward quad: inf at sample 0"},
        Fault{"offset", "nan:offset", "delta: nan at sample 0 (prompt '"},
        Fault{"image", "inf:image", "image: inf at sample 0"},
        Fault{"image_grad", "nan:image_grad", "gradient of reward quad: nan at sample 0"},
        Fault{"noise_grad", "inf:generate.input_grad", "gradient of the noise: inf at sample 0"},
        Fault{"param_grad", "nan:param_grad",
              "gradient of the adapter: not finite in net.0.to_q.lora_A.weight"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(CoreTrainer, PromptsThatATrainedRewardCannotAnswerAreNamedBeforeTheFirstStep) {
  SessionSpec spec = fake_spec();
  const auto session = open_session(spec, {});
  EXPECT_NO_THROW(session->prepare_training());
  spec.train.prompts = {"fine", "refused", "also fine", "refused"};
  const auto refused = open_session(spec, {});
  for (int i = 0; i < 2; ++i) {
    EXPECT_FAILS(HN_INVALID_ARGUMENT,
                 AllOf(HasSubstr("[train] reward quad is trained on and cannot answer 1 of 3 "
                                 "training prompts:\n  'refused'"),
                       HasSubstr("[encode] this prompt is refused")),
                 i == 0 ? refused->prepare_training() : (void)refused->train_step());
    EXPECT_EQ(refused->step(), 0u);
  }
  EXPECT_EQ(fake::state().calls["generate.forward"], 0) << "nothing was begun";
}

// The generator reads the same prompts here, so it must not refuse what the monitor refuses.
class CoreMonitor : public CoreTest {
 protected:
  CoreMonitor() {
    spec_.rewards = {quadratic("trained"), quadratic("watched")};
    spec_.rewards[0].options["prompts"] = false;
    spec_.rewards[1].train = false;
    spec_.rewards[1].options["refuses"] = "dogs";
    spec_.train.watch = 0;
    spec_.train.batch = static_cast<std::int64_t>(spec_.train.prompts.size());  // an epoch a step
  }
  SessionSpec spec_ = fake_spec();
};

TEST_F(CoreMonitor, MeasuresThePromptsThatItAnswersAndSaysSoOnce) {
  const auto with_refusals = open_session(spec_, {});
  const StepReport first = with_refusals->train_step();
  ASSERT_EQ(first.warnings.size(), 1u);
  EXPECT_THAT(first.warnings[0], AllOf(HasSubstr("reward watched: 1 of 5 prompts not answered"),
                                       HasSubstr("prompt 'two dogs'")));
  EXPECT_TRUE(std::isfinite(first.rewards[1]));
  EXPECT_TRUE(with_refusals->train_step().warnings.empty());

  // Its number is the mean over the others: five times the whole mean less the one left out.
  spec_.rewards[1].options.erase("refuses");
  const auto whole = open_session(spec_, {});
  const StepReport all = whole->train_step();
  EXPECT_EQ(all.rewards[0], first.rewards[0]) << "the trained reward saw every sample";
  EXPECT_NE(all.rewards[1], first.rewards[1]);
  EXPECT_EQ(largest_difference(adapter_of(*whole, folder_),
                               [&] {
                                 spec_.rewards[1].options["refuses"] = "dogs";
                                 const auto again = open_session(spec_, {});
                                 again->train_step();
                                 return adapter_of(*again, folder_);
                               }()),
            0)
      << "and the adapter knows nothing of the monitor";
}

TEST_F(CoreMonitor, ThatAnswersNothingIsOffWithAWarning) {
  spec_.rewards[1].options["refuses"] = "";  // everything
  std::vector<std::string> log;
  const auto session = open_session(
      spec_, {[&](std::int32_t, std::string_view text) { log.emplace_back(text); }, {}, {}});
  const StepReport report = session->train_step();
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_THAT(report.warnings[0],
              HasSubstr("reward watched: off, it answers none of the 5 training prompts"));
  EXPECT_THAT(log, ::testing::Contains("step 1: " + report.warnings[0]));
  EXPECT_TRUE(std::isnan(report.rewards[1]));
  EXPECT_TRUE(session->train_step().warnings.empty());
}

TEST_F(CoreTrainer, AnAdapterThatIsNotFiniteIsNotSaved) {
  SessionSpec spec = fake_spec();
  spec.train.lr = 1e300;  // the first update overflows
  const auto session = open_session(spec, {});
  session->train_step();
  const auto folder = folder_ / "adapter";
  EXPECT_FAILS(HN_DATA_LOSS,
               AllOf(HasSubstr("[adapter] net.0.to_q.lora_"), HasSubstr("is not finite"),
                     HasSubstr("it is not saved")),
               session->save_adapter(folder));
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("no checkpoint is written"),
               session->save_checkpoint(folder_ / "c.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "c.safetensors"));
}

TEST_F(CoreTrainer, TooManySkipsInARowStop) {
  SessionSpec spec = fake_spec();
  spec.train.non_finite = NonFinite::kSkip;
  spec.train.max_skips = 3;
  const auto session = open_session(spec, {});
  fake::state().fault = "nan:score";
  fake::state().times = 1000;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->train_step().skipped);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("3 steps in a row were skipped before"),
               session->train_step());
  EXPECT_EQ(session->step(), 3u);
}

TEST_F(CoreTrainer, CancelLeavesTheStateBeforeTheStep) {
  int polls = 0, limit = 1000;
  const auto session = open_session(fake_spec(), {{}, [&] { return ++polls > limit; }, {}});
  session->train_step();  // it looks at more than the later ones
  polls = 0;
  session->train_step();
  const Numbers before = adapter_of(*session, folder_);
  const int a_step = polls;
  for (limit = 0; limit < a_step - 2; ++limit) {
    polls = 0;
    EXPECT_FAILS(HN_CANCELLED, HasSubstr("stopped by the user"), session->train_step());
  }
  EXPECT_EQ(session->step(), 2u);
  EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
  limit = 1 << 20;
  EXPECT_EQ(session->train_step().step, 3u);
}

TEST_F(CoreTrainer, APluginThatFailsIsNamedAndNothingLeaks) {
  const auto session = open_session(fake_spec(), {});
  for (const char* point : {"noise_net.forward", "generate.forward", "score.forward",
                            "score.backward", "generate.backward", "noise_net.backward"}) {
    fake::state().fault = std::string("error:") + point;
    fake::state().times = 1;
    EXPECT_FAILS(HN_INTERNAL, HasSubstr(std::string("[") + point + "] broken"),
                 session->train_step());
    EXPECT_EQ(fake::state().saved, 0) << point;
  }
  EXPECT_EQ(session->step(), 0u);
  EXPECT_EQ(session->train_step().step, 1u);
}

TEST_F(CoreTrainer, OutOfMemoryTwiceIsAnError) {
  const auto session = open_session(fake_spec(), {});
  fake::state().fault = "oom:generate.forward";
  fake::state().times = 100;
  EXPECT_FAILS(HN_OUT_OF_MEMORY, HasSubstr("linear: generate"), session->train_step());
  EXPECT_EQ(session->step(), 0u);
  EXPECT_GT(fake::state().trims, 0);
}

TEST_F(CoreTrainer, LatentModesTrain) {
  for (const LatentMode mode :
       {LatentMode::kInf, LatentMode::kBatch, LatentMode::kMulti, LatentMode::kOne}) {
    SessionSpec spec = fake_spec();
    spec.train.latents = mode;
    spec.train.prompts = {"a cup"};
    spec.train.lr = 0;
    const auto session = open_session(spec, {});
    set_adapter(*session, busy_adapter(), folder_);
    const double first = session->train_step().loss, second = session->train_step().loss;
    EXPECT_EQ(first == second, mode == LatentMode::kOne);
  }
}

TEST_F(CoreTrainer, NothingToTrainIsSaid) {
  SessionSpec spec = fake_spec();
  spec.train.prompts.clear();
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("[train] prompts: there are none"),
               open_session(spec, {})->train_step());
  spec = fake_spec();
  spec.net.kind = NetKind::kNone;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("without an adapter"),
               open_session(spec, {})->train_step());
}

}  // namespace
}  // namespace hn::core::test
