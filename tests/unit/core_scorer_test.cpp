#include <hn/torch/tensor.hpp>

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
    const float target = fake::Quadratic::target(r.prompts[b].text);
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

// What one prompt or picture lacks is told beside it; the others' numbers are those of a request
// without it.
TEST_F(CoreScorer, APartialRequestLeavesOutWhatCannotBeAnswered) {
  const auto session = open_session(spec(), {});
  const ScoreResult whole = session->score(request());
  ScoreRequest r = request();
  r.prompts[1] = r.prompts[4] = "refused";
  r.batch = 3;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("quad: prompt 'refused'"), session->score(r));
  r.partial = r.want_grad = true;
  const ScoreResult part = session->score(r);
  ASSERT_EQ(part.missing.size(), 2u);
  EXPECT_THAT(part.missing.at(1), HasSubstr("quad: prompt 'refused': [encode]"));
  for (const std::size_t b : {0u, 2u, 3u}) {
    EXPECT_EQ(part.scores[b], whole.scores[b]);
    EXPECT_EQ(part.columns.at("brightness")[b], whole.columns.at("brightness")[b]);
    EXPECT_NE(part.image_grad.data[b * 60], 0);
  }
  for (const std::size_t b : {1u, 4u}) {
    EXPECT_TRUE(std::isnan(part.scores[b]));
    EXPECT_TRUE(std::isnan(part.columns.at("brightness")[b]));
    EXPECT_EQ(part.image_grad.data[b * 60], 0);
  }
  r.prompts.assign(5, "refused");
  const ScoreResult none = session->score(r);
  EXPECT_EQ(none.missing.size(), 5u);
  EXPECT_EQ(none.columns.at("brightness").size(), 5u);
}

TEST_F(CoreScorer, APartialRequestTriesThePicturesOneByOne) {
  const auto session = open_session(spec(), {});
  ScoreRequest r = request(3);
  r.partial = true;
  fake::state().fault = "refuse:score.forward";
  // All together, then the first alone; each once more without the flag for determinism.
  fake::state().times = 4;
  const ScoreResult part = session->score(r);
  ASSERT_EQ(part.missing.size(), 1u);
  EXPECT_THAT(part.missing.at(0), HasSubstr("not this one"));
  EXPECT_FALSE(std::isnan(part.scores[1]));
  fake::state().fault = "error:score.forward";
  fake::state().times = 1;
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("broken"), session->score(r));
}

TEST_F(CoreScorer, WhatIsNotFiniteIsNamed) {
  const auto session = open_session(spec(), {});
  const auto poison = [](const char* point) {
    fake::state().fault = point;
    fake::state().after = 1;
    fake::state().times = 1;
  };
  ScoreRequest r = request(3);
  poison("nan:score");
  EXPECT_FAILS(HN_DATA_LOSS,
               HasSubstr("[score: quad] the score is nan at sample 1 (prompt 'prompt 1')"),
               session->score(r));
  poison("inf:score");
  r.partial = true;
  ScoreResult part = session->score(r);
  EXPECT_EQ(part.missing, (std::map<std::size_t, std::string>{{1, "quad: the score is inf"}}));
  EXPECT_TRUE(std::isnan(part.scores[1]));
  EXPECT_FALSE(std::isnan(part.scores[2]));
  r.want_grad = true;
  fake::state().fault = "nan:image_grad";
  fake::state().times = 1;
  fake::state().after = 0;
  part = session->score(r);
  EXPECT_THAT(part.missing.at(0), HasSubstr("quad: the image gradient is nan (1 of 60 numbers"));
  r.partial = false;
  fake::state().times = 1;
  EXPECT_FAILS(HN_DATA_LOSS,
               HasSubstr("the image gradient is nan at sample 0 (prompt 'prompt 0'; "),
               session->score(r));
  r.unchecked = true;
  fake::state().times = 1;
  EXPECT_TRUE(std::isnan(session->score(r).image_grad.data[0]));
}

TEST_F(CoreScorer, PicturesThatAreNotFiniteAreRefused) {
  const auto session = open_session(spec(), {});
  ScoreRequest r = request(2);
  r.images.data[70] = std::nanf("");
  r.partial = true;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[score: quad] images: expected finite numbers, got nan at sample 1"),
               session->score(r));
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

// What the C API does for its callers: their tensors in place of the request's and the result's.
TEST_F(CoreScorer, ReadsAndWritesTheCallersTensors) {
  const auto session = open_session(spec(), {});
  EXPECT_EQ(session->traits(0).columns, std::vector<std::string>{"brightness"});
  EXPECT_TRUE(session->traits(0).reads_prompts && session->traits(0).differentiable);
  ScoreRequest own = request();
  own.want_grad = true;
  own.batch = 2;
  const ScoreResult expected = session->score(own);

  ScoreRequest r = own;
  r.images = {};
  r.want_grad = false;
  const at::Tensor images = at::empty({5, 4, 5, 3}, at::kFloat).permute({0, 3, 1, 2});
  images.copy_(at::from_blob(own.images.data.data(), {5, 3, 4, 5}));
  const at::Tensor both = at::full({5, 2}, -1.0f, at::kFloat);  // a row a picture
  const at::Tensor scores = both.select(1, 0), columns = both.slice(1, 1).t();
  const at::Tensor gradient = at::full({5, 4, 3, 5}, -1.0f, at::kFloat).transpose(1, 2);
  const DLTensor views[] = {borrow(images), borrow(scores), borrow(columns), borrow(gradient)};
  r.tensors = {&views[0], &views[1], &views[2], &views[3]};
  (void)session->score(r);
  for (std::int64_t b = 0; b < 5; ++b) {
    const auto i = static_cast<std::size_t>(b);
    EXPECT_EQ(both[b][0].item<float>(), expected.scores[i]);
    EXPECT_EQ(both[b][1].item<float>(), expected.columns.at("brightness")[i]);
  }
  const at::Tensor flat = gradient.contiguous();
  EXPECT_TRUE(std::equal(expected.image_grad.data.begin(), expected.image_grad.data.end(),
                         flat.const_data_ptr<float>()));
}

TEST_F(CoreScorer, TheCallersTensorsAreWrittenWholeOrNotAtAll) {
  const auto session = open_session(spec(), {});
  ScoreRequest r = request(3);
  r.batch = 1;
  const at::Tensor scores = at::full({3}, -1.0f, at::kFloat), wrong = at::zeros({2, 3});
  DLTensor views[] = {borrow(scores), borrow(wrong)};
  r.tensors.scores = &views[0];
  fake::state().fault = "nan:score";
  fake::state().after = 2;
  fake::state().times = 1;
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("the score is nan at sample"), session->score(r));
  EXPECT_TRUE(scores.eq(-1).all().item<bool>());
  r.tensors.columns = &views[1];
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("columns] expected shape (1,3), got (2,3)"),
               session->score(r));
}

}  // namespace
}  // namespace hn::core::test
