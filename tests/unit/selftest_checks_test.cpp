// host/src/selftest: each check on a reward that works and on one that breaks just it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <hn/cpp/error.hpp>
#include <limits>

#include "selftest/checks.hpp"

namespace hn::selftest {
namespace {

using ::testing::HasSubstr;

// Mean brightness plus the prompt's length: a reward in which nothing is wrong.
float score_of(const float* image, std::size_t size, const std::string& prompt) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += image[i];
  return static_cast<float>(sum / static_cast<double>(size) +
                            0.01 * static_cast<double>(prompt.size()));
}

core::ScoreResult score_well(const core::Tensor& images, const std::vector<std::string>& prompts,
                             bool want_grad) {
  core::ScoreResult result;
  const auto count = static_cast<std::size_t>(images.shape[0]);
  const std::size_t size = images.data.size() / count;
  for (std::size_t b = 0; b < count; ++b)
    result.scores.push_back(score_of(images.data.data() + b * size, size, prompts.at(b)));
  if (want_grad)
    result.image_grad = {images.shape,
                         std::vector<float>(images.data.size(), 1.0f / static_cast<float>(size))};
  return result;
}

Subject good() {
  Subject subject;
  subject.score = score_well;
  subject.facts.min = 0;
  subject.facts.max = 2;
  subject.facts.text_limit = 77;
  subject.detectors = {{"", -0.16178, 1e-4, "the head gave 0"}};
  return subject;
}

// The one check that failed, with its text; "" where none did.
std::string failure(const Subject& subject) {
  std::string found;
  for (const Check& check : run_checks(subject))
    if (check.status == Status::kFailed) found += check.name + ": " + check.text + "\n";
  return found;
}

Status status_of(const Subject& subject, const std::string& name) {
  for (const Check& check : run_checks(subject))
    if (check.name == name) return check.status;
  ADD_FAILURE() << "no check " << name;
  return Status::kFailed;
}

TEST(SelftestChecks, AWorkingRewardPassesAllOfThem) {
  const auto checks = run_checks(good());
  std::vector<std::string> names;
  for (const Check& check : checks) {
    names.push_back(check.name);
    EXPECT_EQ(check.status, Status::kPassed) << check.name << ": " << check.text;
    EXPECT_FALSE(check.text.empty()) << check.name;
  }
  EXPECT_THAT(names, testing::ElementsAre("finite", "detectors", "pictures", "prompts", "range",
                                          "batch", "gradient", "ascent"));
}

TEST(SelftestChecks, NanIsNamedByItsPicture) {
  Subject subject = good();
  subject.score = [](const auto& images, const auto& prompts, bool grad) {
    auto result = score_well(images, prompts, grad);
    if (result.scores.size() > 3) result.scores[3] = std::numeric_limits<float>::quiet_NaN();
    return result;
  };
  EXPECT_THAT(failure(subject), HasSubstr("finite: the score of picture 3 is nan"));
  EXPECT_EQ(run_checks(subject).size(), 1U);
}

TEST(SelftestChecks, AConstantIsFoundAndExplained) {
  Subject subject = good();
  subject.facts.min = -3;
  subject.score = [](const auto& images, const auto& prompts, bool grad) {
    auto result = score_well(images, prompts, grad);
    for (float& s : result.scores) s = -0.16178f;
    for (float& g : result.image_grad.data) g = 0;
    return result;
  };
  const std::string text = failure(subject);
  EXPECT_THAT(text, HasSubstr("detectors: a score is -0.16178: the head gave 0"));
  EXPECT_THAT(text, HasSubstr("pictures: the score is -0.16178 for 6 different pictures"));
  EXPECT_THAT(text, HasSubstr("prompts: the score does not change with the prompt"));
  EXPECT_THAT(text, HasSubstr("gradient: that of picture 0 is zero everywhere"));
}

TEST(SelftestChecks, APromptThatIsNotReadIsFound) {
  Subject subject = good();
  subject.score = [](const auto& images, const auto& prompts, bool grad) {
    return score_well(images, std::vector<std::string>(prompts.size(), "always this"), grad);
  };
  EXPECT_THAT(failure(subject), HasSubstr("prompts: the score does not change"));
  subject.facts.text_limit = 0;
  EXPECT_EQ(failure(subject), "");
  EXPECT_EQ(status_of(subject, "prompts"), Status::kSkipped);
}

TEST(SelftestChecks, ScoresOutsideTheBoundsAreFound) {
  Subject subject = good();
  subject.facts.max = 0.1;
  EXPECT_THAT(failure(subject), HasSubstr("outside of 0 to 0.1"));
  subject.facts.max.reset();
  subject.facts.min = 1.5;
  EXPECT_THAT(failure(subject), HasSubstr("outside of 1.5 to infinity"));
  subject.facts.min.reset();
  EXPECT_EQ(status_of(subject, "range"), Status::kSkipped);
}

TEST(SelftestChecks, AMixedUpBatchIsFound) {
  Subject subject = good();
  subject.score = [](const auto& images, auto prompts, bool grad) {
    std::reverse(prompts.begin(), prompts.end());
    return score_well(images, prompts, grad);
  };
  EXPECT_THAT(failure(subject), HasSubstr("batch: picture"));
}

TEST(SelftestChecks, AGradientThatIsNotOneIsFound) {
  const auto with_gradient = [](float value) {
    Subject subject = good();
    subject.score = [value](const auto& images, const auto& prompts, bool grad) {
      auto result = score_well(images, prompts, grad);
      for (float& g : result.image_grad.data) g *= value;
      return result;
    };
    return failure(subject);
  };
  EXPECT_THAT(with_gradient(-1), HasSubstr("ascent: picture 0"));
  EXPECT_THAT(with_gradient(0), HasSubstr("zero everywhere"));
  EXPECT_THAT(with_gradient(std::numeric_limits<float>::infinity()), HasSubstr("not finite"));
  Subject none = good();
  none.score = [](const auto& images, const auto& prompts, bool) {
    return score_well(images, prompts, false);
  };
  EXPECT_THAT(failure(none), HasSubstr("gradient: expected"));
}

TEST(SelftestChecks, AVerdictMayBeConstant) {
  Subject subject = good();
  subject.differentiable = false;
  subject.score = [](const auto& images, const auto& prompts, bool grad) {
    auto result = score_well(images, prompts, grad);
    for (float& s : result.scores) s = 0;
    return result;
  };
  EXPECT_EQ(failure(subject), "");
  for (const char* name : {"pictures", "prompts", "gradient", "ascent"})
    EXPECT_EQ(status_of(subject, name), Status::kSkipped) << name;
}

TEST(SelftestChecks, WhatTheRewardThrowsIsARow) {
  Subject subject = good();
  subject.score = [](const auto&, const auto&, bool) -> core::ScoreResult {
    throw Error(HN_DEVICE_LOST, "[x] the device is gone");
  };
  EXPECT_EQ(failure(subject), "finite: [x] the device is gone\n");
  subject.score = [](const auto& images, const auto& prompts, bool grad) {
    auto result = score_well(images, prompts, grad);
    result.scores.pop_back();
    return result;
  };
  EXPECT_THAT(failure(subject), HasSubstr("expected 6 scores, got 5"));
}

TEST(SelftestChecks, PicturesAreTheSameWhateverTheirNumber) {
  const core::Tensor one = draw_pictures(1, 8, 10), three = draw_pictures(3, 8, 10);
  ASSERT_EQ(three.data.size(), 3U * 3 * 8 * 10);
  EXPECT_TRUE(std::equal(one.data.begin(), one.data.end(), three.data.begin()));
  for (const float v : three.data) {
    EXPECT_GE(v, 0.1f);
    EXPECT_LE(v, 0.9f);
  }
}

}  // namespace
}  // namespace hn::selftest
