#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreScorer : public CoreTest {
 protected:
  static ScoreRequest request(std::int64_t count = 5) {
    ScoreRequest r;
    r.images.shape = {count, 3, 4, 5};
    for (std::int64_t i = 0; i < count * 60; ++i)
      r.images.data.push_back(0.5f + 0.4f * std::sin(static_cast<float>(i)));
    for (std::int64_t i = 0; i < count; ++i) r.prompts.push_back("prompt " + std::to_string(i));
    return r;
  }
  static SessionSpec spec() {
    SessionSpec s = fake_spec();
    s.net.kind = NetKind::kNone;
    return s;
  }
};

TEST_F(CoreScorer, ScoresColumnsAndGradients) {
  const auto session = open_session(spec(), {});
  ScoreRequest r = request();
  r.want_grad = true;
  const ScoreResult all = session->score(r);
  ASSERT_EQ(all.scores.size(), 5u);
  for (std::size_t b = 0; b < 5; ++b) {
    const float target = fake::Quadratic::target(r.prompts[b]);
    double sum = 0, mean = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      const float e = r.images.data[b * 60 + i] - target;
      sum += e * e / 60;
      mean += r.images.data[b * 60 + i] / 60;
      EXPECT_NEAR(all.image_grad.data[b * 60 + i], -2 * e / 60, 1e-7);
    }
    EXPECT_NEAR(all.scores[b], -sum, 1e-6);
    EXPECT_NEAR(all.columns.at("brightness")[b], mean, 1e-6);
  }
  for (const std::int64_t batch : {1, 2, 100}) {
    r.batch = batch;
    const ScoreResult again = session->score(r);
    EXPECT_EQ(again.scores, all.scores);
    EXPECT_EQ(again.image_grad.data, all.image_grad.data);
  }
}

TEST_F(CoreScorer, NoImagesNoScores) {
  const auto session = open_session(spec(), {});
  EXPECT_TRUE(session->score(request(0)).scores.empty());
}

TEST_F(CoreScorer, ScoreOnlyRewardsScoreButGiveNoGradient) {
  SessionSpec s = spec();
  s.rewards[0].options["differentiable"] = false;
  s.rewards[0].train = false;
  const auto session = open_session(s, {});
  ScoreRequest r = request();
  EXPECT_EQ(session->score(r).scores.size(), 5u);
  r.want_grad = true;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("[score: quad] is score-only"), session->score(r));
}

TEST_F(CoreScorer, RewardsWithoutPromptsNeedNone) {
  SessionSpec s = spec();
  s.rewards[0].options["prompts"] = false;
  const auto session = open_session(s, {});
  ScoreRequest r = request();
  r.prompts.clear();
  EXPECT_EQ(session->score(r).scores.size(), 5u);
  EXPECT_EQ(fake::state().encoded, 0);
  r.prompts = {"one"};
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("one prompt an image (5), got 1"), session->score(r));
}

TEST_F(CoreScorer, BadRequestsAreNamed) {
  const auto session = open_session(spec(), {});
  ScoreRequest r = request();
  r.reward = 1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("expected an index below 1, got 1"),
               session->score(r));
  r = request();
  r.prompts.pop_back();
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[score: quad] expected one prompt an image (5), got 4"),
               session->score(r));
  r = request();
  r.images.shape = {5, 4, 3, 5};
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("images: expected shape (B,3,H,W), got (5,4,3,5)"),
               session->score(r));
  r = request();
  r.images.data.pop_back();
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("means 300 numbers, got 299"), session->score(r));
  r = request();
  r.batch = -1;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("batch: expected 1 or more"), session->score(r));
}

}  // namespace
}  // namespace hn::core::test
