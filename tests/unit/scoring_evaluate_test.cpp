// Held-out scores with numbers that are missing, over a session without a model.
#include <cmath>

#include "scoring/evaluate.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using ::testing::HasSubstr;

// Scores a picture as its prompt's length; the reward 1 cannot answer prompts with "dog".
class Session final : public core::Session {
 public:
  const core::Shapes& shapes() const override { return shapes_; }
  std::uint64_t step() const override { return 0; }
  core::StepReport train_step() override { return {}; }
  core::SampleResult sample(const core::SampleRequest& request) override {
    core::SampleResult result;
    const auto count = static_cast<std::int64_t>(request.prompts.size());
    result.images = {{count, 3, 1, 1}, std::vector<float>(request.prompts.size() * 3, 0.5f)};
    return result;
  }
  core::ScoreResult score(const core::ScoreRequest& request) override {
    EXPECT_TRUE(request.partial) << "one prompt must not end the evaluation";
    core::ScoreResult result;
    for (std::size_t i = 0; i < request.prompts.size(); ++i) {
      const bool refused =
          request.reward == 1 && request.prompts[i].text.find("dog") != std::string::npos;
      if (refused) result.missing[i] = "judge: no word for " + request.prompts[i].text;
      const float score =
          refused ? std::nanf("") : static_cast<float>(request.prompts[i].text.size());
      result.scores.push_back(score);
      result.columns["count"].push_back(score);
    }
    return result;
  }
  void save_adapter(const std::filesystem::path&, core::Weights) override {}
  void load_adapter(const std::filesystem::path&) override {}
  void save_checkpoint(const std::filesystem::path&) override {}
  void load_checkpoint(const std::filesystem::path&) override {}
  std::vector<double> lipschitz(const std::vector<core::Prompt>&, std::uint64_t, int) override {
    return {};
  }

 private:
  core::Shapes shapes_{{1, 1, 1}, {3, 1, 1}, 1, 0, 0};
};

class Evaluate : public ::testing::Test {
 protected:
  EvaluationPlan plan_{{"a cat", "a dog", "two dogs"}, {1, 2}, 16, {"clip", "judge"}};
  Session session_;
  Scores scores_ = evaluate(session_, {}, plan_, false, "scoring");
};

TEST_F(Evaluate, WhatOneRewardCannotAnswerTakesNothingElseWithIt) {
  EXPECT_EQ(*scores_.find("clip"), (std::vector<double>{5, 5, 8, 5, 5, 8}));
  const std::vector<double>& judge = *scores_.find("judge");
  ASSERT_EQ(judge.size(), 6u);
  EXPECT_EQ(judge[3], 5);
  EXPECT_TRUE(std::isnan(judge[4]));
  EXPECT_EQ(scores_.find("judge.count")->size(), 6u);
  ASSERT_EQ(scores_.missing.size(), 1u);
  EXPECT_EQ(scores_.missing.at("judge").size(), 4u) << "of both seeds";
  EXPECT_EQ(scores_.missing.at("judge").at(5), "judge: no word for two dogs");

  const auto rows = unanswered({&scores_, &scores_}, plan_);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text(), "judge: 2 of 3 prompts not answered: judge: no word for a dog");
  EXPECT_EQ(to_json(rows)[0].at("of"), 3);
  EXPECT_TRUE(unanswered({}, plan_).empty());
}

TEST_F(Evaluate, MissingNumbersAreKeptWithTheirReasons) {
  const nlohmann::ordered_json json = to_json(scores_);
  EXPECT_TRUE(json.at("columns").at("judge").at(1).is_null());
  EXPECT_EQ(json.at("missing").at("judge").at(0).at("sample"), 1);
  const Scores back = scores_from_json(nlohmann::json::parse(json.dump()), "scores.json");
  EXPECT_EQ(back.missing, scores_.missing);
  EXPECT_TRUE(std::isnan((*back.find("judge"))[1]));

  Scores whole = scores_;
  whole.missing.clear();
  EXPECT_FALSE(to_json(whole).contains("missing"));
  for (const char* bad : {R"({"judge": [{"sample": "1", "why": "x"}]})", R"({"judge": [1]})",
                          R"({"judge": [{"sample": 1}]})"}) {
    nlohmann::json damaged = nlohmann::json::parse(json.dump());
    damaged["missing"] = nlohmann::json::parse(bad);
    expect_error(HN_DATA_LOSS, {"[scores.json]", "missing"},
                 [&] { scores_from_json(damaged, "scores.json"); });
  }
}

TEST_F(Evaluate, PairedDifferencesAreOverThePairsWithBothNumbers) {
  const Paired pair = paired(*scores_.find("judge"), *scores_.find("judge"), prompt_groups(plan_));
  EXPECT_EQ(pair.difference.n, 1u);
  EXPECT_EQ(pair.before.mean, 5);
}

}  // namespace
}  // namespace hn::host
