// A reward as the difference between two forms of a prompt.
#include "core/relative_reward.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreRelativeReward : public CoreTest {
 protected:
  static ScoreRequest pictures() {
    ScoreRequest request;
    request.images.shape = {3, 3, 2, 2};
    for (int i = 0; i < 36; ++i)
      request.images.data.push_back(0.5F + 0.4F * std::sin(static_cast<float>(i)));
    request.want_grad = true;
    return request;
  }
  static ScoreResult score(const SessionSpec& spec, const std::vector<Prompt>& prompts) {
    ScoreRequest request = pictures();
    request.prompts = prompts;
    return open_session(spec, {})->score(request);
  }
};

// The fake's score is -mean (image - target(prompt))^2, so that scores and gradients of the forms
// are known from the plain reward.
TEST_F(CoreRelativeReward, IsTheDifferenceOfBothForms) {
  SessionSpec spec = fake_spec();
  const std::vector<Prompt> good = {"vivid: a", "vivid: bb", "vivid: ccc"};
  const std::vector<Prompt> bad = {"a, dull!", "bb, dull!", "ccc, dull!"};
  const ScoreResult one = score(spec, good), other = score(spec, bad);
  spec.rewards[0].relative = {"vivid: {}", "{}, dull!"};
  const ScoreResult got = score(spec, {"a", "bb", "ccc"});
  ASSERT_NE(one.scores, other.scores);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(got.scores[i], one.scores[i] - other.scores[i], 1e-6);
  double largest = 0;
  for (std::size_t i = 0; i < 36; ++i) {
    const double want = static_cast<double>(one.image_grad.data[i]) - other.image_grad.data[i];
    largest = std::max(largest, std::abs(want));
    EXPECT_NEAR(got.image_grad.data[i], want, 1e-6);
  }
  EXPECT_GT(largest, 1e-3);
  EXPECT_TRUE(got.columns.empty()) << "columns are of one form alone";
}

TEST_F(CoreRelativeReward, IsTrainedOnLikeAnyOther) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].relative = {"vivid: {}", "{}, dull!"};
  spec.train.reg_weight = 0;
  const auto session = open_session(spec, {});
  const StepReport first = session->train_step();
  EXPECT_GT(first.grad_norm, 0);
  double last = 0;
  for (int i = 0; i < 60; ++i) last = session->train_step().rewards[0];
  EXPECT_GT(last, first.rewards[0]);
}

TEST_F(CoreRelativeReward, AResumeWithOtherFormsIsRefused) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].relative = {"vivid: {}", "{}, dull!"};
  const auto session = open_session(spec, {});
  session->train_step();
  session->save_checkpoint(folder_ / "c");
  spec.rewards[0].relative->bad = "{}, grey";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("reward.quad.relative"),
               open_session(spec, {})->load_checkpoint(folder_ / "c"));
}

TEST_F(CoreRelativeReward, WantsAReadersReward) {
  SessionSpec spec = fake_spec();
  spec.rewards[0].options["prompts"] = false;
  spec.rewards[0].relative = {"vivid: {}", "{}, dull!"};
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("[relative] expected a reward that reads prompts"),
               open_session(spec, {}));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("not loaded"),
               relative_plugin(Plugin(), {"{}", "not {}"}));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("one {} in a form, got 'dull'"),
               relative_plugin(fake_spec().rewards[0].plugin, {"{}", "dull"}));
}

}  // namespace
}  // namespace hn::core::test
