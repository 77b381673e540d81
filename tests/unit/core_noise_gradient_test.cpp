// core/noise_gradient: values, scores and the gradient by the noise, against finite differences.
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreNoiseGradient : public CoreTest {
 protected:
  static SessionSpec spec() {
    SessionSpec s = fake_spec();
    s.rewards = {quadratic("one", 2), quadratic("two", 1)};
    s.rewards[1].options["prompts"] = false;
    for (RewardSpec& reward : s.rewards) reward.train = false;
    s.net.kind = NetKind::kNone;
    return s;
  }
  static NoiseGradientRequest request(std::size_t count = 5) {
    NoiseGradientRequest r;
    for (std::size_t i = 0; i < count; ++i) r.prompts.push_back("prompt " + std::to_string(i));
    r.noise.shape = {static_cast<std::int64_t>(count), 2, 2, 2};
    for (std::size_t i = 0; i < count * 8; ++i)
      r.noise.data.push_back(std::sin(1.7f * static_cast<float>(i)));
    r.weights = {0.5, -1.5};
    return r;
  }
  // The same value by sample() and score().
  static std::vector<double> values_of(Session& session, const NoiseGradientRequest& r) {
    SampleRequest sample;
    sample.prompts = r.prompts;
    sample.noise = r.noise;
    sample.step_noise = r.step_noise;
    sample.adapted = r.adapted;
    ScoreRequest score;
    score.images = session.sample(sample).images;
    score.prompts = r.prompts;
    std::vector<double> values(r.prompts.size(), 0.0);
    for (std::size_t k = 0; k < r.weights.size(); ++k) {
      score.reward = k;
      const ScoreResult result = session.score(score);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += r.weights[k] * result.scores[i];
    }
    return values;
  }
  static void expect_gradient(Session& session, const NoiseGradientRequest& r) {
    const NoiseGradientResult result = session.noise_gradient(r);
    const std::vector<double> values = values_of(session, r);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(result.values[i], values[i], 1e-6);
    constexpr float kStep = 0.02f;  // the reward is quadratic in the noise: no error of its own
    double most = 0;
    for (std::size_t i = 0; i < r.noise.data.size(); ++i) {
      NoiseGradientRequest moved = r;
      moved.noise.data[i] += kStep;
      const double up = values_of(session, moved)[i / 8];
      moved.noise.data[i] = r.noise.data[i] - kStep;
      const double down = values_of(session, moved)[i / 8];
      EXPECT_NEAR(result.grad.data[i], (up - down) / (2 * kStep), 2e-5) << i;
      most = std::max(most, std::abs(static_cast<double>(result.grad.data[i])));
    }
    EXPECT_GT(most, 1e-3) << "a gradient of nothing proves nothing";
  }
};

TEST_F(CoreNoiseGradient, IsTheFiniteDifferenceOfTheWeightedScores) {
  const auto session = open_session(spec(), {});
  NoiseGradientRequest r = request();
  r.want_images = true;
  const NoiseGradientResult result = session->noise_gradient(r);
  EXPECT_EQ(result.grad.shape, (std::vector<std::int64_t>{5, 2, 2, 2}));
  EXPECT_EQ(result.images.shape, (std::vector<std::int64_t>{5, 3, 2, 2}));
  EXPECT_EQ(result.scores.size(), 2u);
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(result.values[i], 0.5 * result.scores[0][i] - 1.5 * result.scores[1][i], 1e-6);
  expect_gradient(*session, r);
}

TEST_F(CoreNoiseGradient, OfSeveralStepsAndOfResizedPictures) {
  SessionSpec s = spec();
  s.generator.options["steps"] = std::int64_t{3};
  s.rewards[0].resize = 4;
  const auto session = open_session(s, {});
  NoiseGradientRequest r = request(2);
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("step_noise was not given, but linear runs 3 steps"),
               session->noise_gradient(r));
  r.step_noise = Tensor{{2, 2, 2, 2, 2}, std::vector<float>(32, 0.5f)};
  expect_gradient(*session, r);
}

TEST_F(CoreNoiseGradient, AFineTuneActsAndANoiseNetworkDoesNot) {
  for (const NetKind kind : {NetKind::kFinetune, NetKind::kHypernet}) {
    SessionSpec s = spec();
    s.net.kind = kind;
    const auto session = open_session(s, {});
    set_adapter(*session, busy_adapter(), folder_);
    NoiseGradientRequest r = request(2);
    const std::vector<double> adapted = session->noise_gradient(r).values;
    r.adapted = false;
    const std::vector<double> bare = session->noise_gradient(r).values;
    EXPECT_EQ(adapted == bare, kind == NetKind::kHypernet);
    r.adapted = kind == NetKind::kFinetune;
    expect_gradient(*session, r);
  }
}

TEST_F(CoreNoiseGradient, DoesNotDependOnTheBatchSize) {
  const auto session = open_session(spec(), {});
  NoiseGradientRequest r = request();
  const NoiseGradientResult whole = session->noise_gradient(r);
  for (const std::int64_t batch : {1, 2, 5}) {
    r.batch = batch;
    const NoiseGradientResult parts = session->noise_gradient(r);
    EXPECT_EQ(parts.grad.data, whole.grad.data) << batch;
    EXPECT_EQ(parts.values, whole.values) << batch;
  }
}

TEST_F(CoreNoiseGradient, ARewardOfWeightZeroDoesNotRun) {
  const auto session = open_session(spec(), {});
  NoiseGradientRequest r = request(2);
  r.weights = {0, 1};
  fake::state().calls.clear();
  const NoiseGradientResult result = session->noise_gradient(r);
  EXPECT_EQ(fake::state().calls["score.forward"], 1);
  EXPECT_TRUE(std::isnan(result.scores[0][0]));
}

TEST_F(CoreNoiseGradient, WhatHasNoGradientIsNamed) {
  SessionSpec s = spec();
  s.rewards[1].options["differentiable"] = false;
  const auto session = open_session(s, {});
  NoiseGradientRequest r = request(2);
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("reward two is score-only"), session->noise_gradient(r));
  r.weights = {1, 0};
  EXPECT_EQ(session->noise_gradient(r).values.size(), 2u);
}

TEST_F(CoreNoiseGradient, BadRequestsAreNamed) {
  const auto session = open_session(spec(), {});
  const auto refused = [&](const char* text, const auto& change) {
    NoiseGradientRequest r = request(2);
    change(r);
    EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr(text), session->noise_gradient(r));
  };
  refused("expected one for each of 2 rewards, got 1", [](auto& r) { r.weights = {1}; });
  refused("expected one other than 0", [](auto& r) { r.weights = {0, 0}; });
  refused("weight of two: expected a finite number", [](auto& r) { r.weights[1] = std::nan(""); });
  refused("batch: expected 1 or more, got 0", [](auto& r) { r.batch = 0; });
  refused("[noise_gradient: noise] expected shape", [](auto& r) { r.prompts.pop_back(); });
  refused("noise: expected finite numbers, got nan at sample 1",
          [](auto& r) { r.noise.data[9] = std::nanf(""); });
  refused("step_noise was given, but linear runs 1 step", [](auto& r) {
    r.step_noise = Tensor{{1, 2, 2, 2, 2}, std::vector<float>(16)};
  });
}

TEST_F(CoreNoiseGradient, WhatIsNotFiniteIsNamed) {
  const auto session = open_session(spec(), {});
  const auto poisoned = [&](const char* point, const char* text) {
    fake::state().fault = point;
    fake::state().after = 0;
    fake::state().times = 1;
    NoiseGradientRequest r = request(2);
    EXPECT_FAILS(HN_DATA_LOSS, HasSubstr(text), session->noise_gradient(r));
  };
  poisoned("nan:image", "linear: the picture is not finite: nan at sample 0 (prompt 'prompt 0'");
  poisoned("inf:score", "the score is inf");
  poisoned("nan:image_grad", "the image gradient is nan");
  poisoned("nan:generate.input_grad", "the gradient of the noise is not finite");
}

TEST_F(CoreNoiseGradient, ASessionWithoutOneSaysSo) {
  class Plain final : public Session {
   public:
    const Shapes& shapes() const override { return shapes_; }
    std::uint64_t step() const override { return 0; }
    StepReport train_step() override { return {}; }
    SampleResult sample(const SampleRequest&) override { return {}; }
    ScoreResult score(const ScoreRequest&) override { return {}; }
    void save_adapter(const std::filesystem::path&, Weights) override {}
    void load_adapter(const std::filesystem::path&) override {}
    void save_checkpoint(const std::filesystem::path&) override {}
    void load_checkpoint(const std::filesystem::path&) override {}
    std::vector<double> lipschitz(const std::vector<Prompt>&, std::uint64_t, int) override {
      return {};
    }

   private:
    Shapes shapes_;
  } plain;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("has none"), plain.noise_gradient({}));
}

}  // namespace
}  // namespace hn::core::test
