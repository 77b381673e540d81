// Which state is kept, when a training goes back and when it ends, over a session without a model.
#include <cmath>

#include "run/validation.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Pictures are all alike; reward k scores k + 1 a sample.
class Session final : public core::Session {
 public:
  explicit Session(double kl_target) {
    shapes_.noise = {1, 2, 2};
    shapes_.image = {3, 1, 1};
    shapes_.kl_target = kl_target;
  }
  const core::Shapes& shapes() const override { return shapes_; }
  std::uint64_t step() const override { return 0; }
  core::StepReport train_step() override { return {}; }
  core::SampleResult sample(const core::SampleRequest& request) override {
    EXPECT_EQ(request.weights, core::Weights::kAverage);
    EXPECT_EQ(request.seed, 2u);
    core::SampleResult result;
    const std::size_t count = request.prompts.size();
    result.images = {{static_cast<std::int64_t>(count), 3, 1, 1},
                     std::vector<float>(count * 3, 0.5f)};
    result.delta = {{static_cast<std::int64_t>(count), 1, 2, 2}, std::vector<float>(count * 4, 1)};
    return result;
  }
  core::ScoreResult score(const core::ScoreRequest& request) override {
    scored_.push_back(request.reward);
    core::ScoreResult result;
    result.scores.assign(request.prompts.size(), static_cast<float>(request.reward + 1));
    return result;
  }
  void save_adapter(const std::filesystem::path&, core::Weights) override {}
  void load_adapter(const std::filesystem::path&) override {}
  void save_checkpoint(const std::filesystem::path&) override {}
  void load_checkpoint(const std::filesystem::path&) override {}
  std::vector<double> lipschitz(const std::vector<core::Prompt>&, std::uint64_t, int) override {
    return {};
  }
  std::vector<std::size_t> scored_;

 private:
  core::Shapes shapes_;
};

class ValidationTest : public ::testing::Test {
 protected:
  ValidationTest() {
    spec_.rewards.resize(3);
    for (std::size_t k = 0; k < 3; ++k) spec_.rewards[k].name = std::string(1, char('a' + k));
    spec_.rewards[0].weight = 5;
    spec_.rewards[1].train = false;
    spec_.rewards[2].loss_scale = 100;
    config_.train.spec.steps = 50;
    prompts_.validation = {"one", "two"};
  }
  Validation validation(double kl_target = 0) {
    session_ = std::make_unique<Session>(kl_target);
    return {config_, spec_, prompts_, *session_, services_};
  }
  static std::vector<Measurement> rows(const std::vector<double>& objectives, double kl = 1) {
    std::vector<Measurement> rows;
    for (const double objective : objectives) rows.push_back({rows.size() * 5, objective, 0.1, kl});
    return rows;
  }
  RunConfig config_;
  core::SessionSpec spec_;
  core::Services services_;
  TrainingPrompts prompts_;
  std::unique_ptr<Session> session_;
};

TEST_F(ValidationTest, TheObjectiveIsTheTrainedRewardsLessTheKlTerm) {
  config_.train.spec.reg_weight = 6;
  const Measurement m = validation().measure(7);
  EXPECT_EQ(m.step, 7u);
  EXPECT_DOUBLE_EQ(m.kl, 2);
  EXPECT_DOUBLE_EQ(m.objective, 5 * 1 + 100 * 3 - 6.0 / 4 * 2) << "mean form: over 4 numbers";
  EXPECT_EQ(session_->scored_, (std::vector<std::size_t>{0, 2}))
      << "the measured one costs nothing";
  config_.train.spec.reg = core::Regulariser::kPaper;
  EXPECT_DOUBLE_EQ(validation().measure(7).objective, 305 - 6 * 2);
  config_.train.spec.reg = core::Regulariser::kNorm;
  EXPECT_DOUBLE_EQ(validation().measure(7).objective, 305);
  config_.net.kind = core::NetKind::kFinetune;
  config_.train.spec.reg = core::Regulariser::kMean;
  EXPECT_DOUBLE_EQ(validation().measure(7).objective, 305);
}

TEST_F(ValidationTest, IsDueAtTheStartEverySoOftenAndAtTheEnd) {
  config_.train.spec.steps = 52;
  const auto due = [&](const Validation& v) {
    std::vector<std::uint64_t> steps;
    for (std::uint64_t step = 0; step <= 52; ++step)
      if (v.due(step)) steps.push_back(step);
    return steps;
  };
  config_.validation.every = 20;
  EXPECT_EQ(due(validation()), (std::vector<std::uint64_t>{0, 20, 40, 52}));
  config_.validation.every = 0;
  EXPECT_EQ(due(validation()).size(), 12u) << "every fifth, and the last";
  prompts_.validation.clear();
  EXPECT_TRUE(due(validation()).empty());
  EXPECT_FALSE(validation().on());
}

TEST_F(ValidationTest, TheBestIsTheFirstGreatestThatTheTargetAllows) {
  const Validation v = validation(1);
  EXPECT_TRUE(v.is_best(rows({1})));
  EXPECT_TRUE(v.is_best(rows({1, 2})));
  EXPECT_FALSE(v.is_best(rows({2, 2})));
  EXPECT_FALSE(v.is_best(rows({1, 3, 2})));
  EXPECT_FALSE(v.is_best(rows({1, std::nan("")})));
  EXPECT_TRUE(v.is_best(rows({std::nan(""), 1})));
  EXPECT_FALSE(v.is_best({}));
  EXPECT_TRUE(v.is_best(rows({1, 5}, 2)));
  EXPECT_FALSE(v.is_best(rows({1, 5}, 2.1))) << "beyond twice the target";
  EXPECT_TRUE(validation(0).is_best(rows({1, 5}, 1e9))) << "no target";
}

TEST_F(ValidationTest, GoesBackBeyondThreeStandardErrorsOfTheStart) {
  EXPECT_EQ(Validation::lost(rows({1})), "");
  EXPECT_EQ(Validation::lost(rows({1, 0.71})), "");
  EXPECT_THAT(Validation::lost(rows({1, 2, 0.69})), AllOf(HasSubstr("0.69"), HasSubstr("was 1 ")));
  EXPECT_EQ(Validation::lost(rows({std::nan(""), -5})), "");
}

TEST_F(ValidationTest, EndsWhenPatienceIsExhausted) {
  EXPECT_EQ(validation().exhausted(rows({3, 2, 1, 1, 1})), "") << "never, by default";
  config_.validation.patience = 2;
  EXPECT_EQ(validation().exhausted(rows({1, 2, 1})), "");
  EXPECT_THAT(validation().exhausted(rows({1, 2, 1, 1})),
              AllOf(HasSubstr("in 2 measurements"), HasSubstr("since step 5")));
}

TEST_F(ValidationTest, RowsComeBackAsTheyWereWritten) {
  const Measurement m{20, 1.25, 0.5, 3};
  std::vector<nlohmann::json> metrics = {{{"step", 20}, {"kind", "train"}}};
  metrics.push_back(nlohmann::json::parse(Validation::row(m).dump()));
  metrics.push_back({{"step", 30}, {"kind", "validation"}, {"objective", nullptr}});
  const auto back = Validation::rows(metrics);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].step, 20u);
  EXPECT_EQ(back[0].objective, 1.25);
  EXPECT_EQ(back[0].standard_error, 0.5);
  EXPECT_EQ(back[0].kl, 3);
  EXPECT_TRUE(std::isnan(back[1].objective));
}

}  // namespace
}  // namespace hn::host
