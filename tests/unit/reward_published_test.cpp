// hps, pickscore, aesthetic and clip: parity with hpsv2, transformers, open_clip and the published
// heads through the ABI, forward and gradient, on models in the published formats.
//
// Golden values: tests/golden/clip_rewards/make.py. Tolerance 1e-4 relative to the largest value
// (float32). HN_PARITY_TABLE=FILE appends the table's rows to FILE
// (docs/results/parity_hps_clip_pickscore_aesthetic.md).
#include <cstdio>
#include <cstdlib>

#include "unit/reward_published_support.hpp"

namespace hn::test {
namespace {

class PublishedReward : public testing::TestWithParam<const char*> {
 protected:
  PublishedReward()
      : name_(GetParam()), file_(SafetensorsFile::open(published(name_) / "golden.st")) {
    reward_ = file_.metadata().at("reward");
    for (const auto& p : nlohmann::json::parse(file_.metadata().at("prompts")))
      prompts_.push_back(p.get<std::string>());
    options_["weights"] = published(name_).string();
    const auto options = nlohmann::json::parse(file_.metadata().at("options"));
    for (const auto& [key, value] : options.items()) options_[key] = value.get<std::string>();
  }
  bool reads_prompts() const { return reward_ != "aesthetic"; }
  std::unique_ptr<Reward> open(const std::string& prompt, Options more = {}) const {
    more.insert(options_.begin(), options_.end());
    auto reward = std::make_unique<Reward>(reward_, more);
    if (reads_prompts()) {
      EXPECT_EQ(reward->set_prompts({prompt}).status, HN_OK);
    }
    return reward;
  }
  Tensor golden(const std::string& name) const { return golden_tensor(file_, name); }

  std::string name_, reward_;
  SafetensorsFile file_;
  std::vector<std::string> prompts_;
  Options options_;
};

TEST_P(PublishedReward, ForwardAndGradientEqualTheReference) {
  const auto [score, gradient] = open(prompts_[0])->score_and_gradient(golden("image"));
  const double forward = relative_error(score, golden("score").data);
  const double backward = relative_error(gradient, golden("gradient").data);
  const double larger =
      relative_error(open(prompts_[1])->score(golden("large")), golden("large_score").data);
  const double official =
      relative_error(open(prompts_[1], {{"preprocess", "official"}})->score(golden("large")),
                     golden("large_official").data);
  for (const double error : {forward, backward, larger, official}) EXPECT_LE(error, 1e-4);
  std::printf("%s %s: forward %.1e, gradient %.1e, larger image %.1e, official %.1e\n",
              reward_.c_str(), name_.c_str(), forward, backward, larger, official);
  if (const char* path = std::getenv("HN_PARITY_TABLE")) {
    char row[256];
    std::snprintf(row, sizeof row, "| %s | %s | %.1e | %.1e | %.1e | %.1e |\n", reward_.c_str(),
                  name_.c_str(), forward, backward, larger, official);
    std::ofstream(path, std::ios::app) << row;
  }
}

class PublishedTexts : public PublishedReward {};

TEST_P(PublishedTexts, TextVectorsEqualTheReference) {
  const Tensor want = golden("text");
  const auto width = static_cast<std::size_t>(want.shape[1]);
  std::vector<float> got;
  for (const std::string& prompt : prompts_) {
    const auto reward = open(prompt);
    ASSERT_EQ(reward->cond_table()->embedding_size(reward->instance()), width);
    Tensor row({want.shape[1]});
    DLTensor view = row.view();
    ASSERT_EQ(reward->cond_table()->embedding(reward->instance(), reward->handle(0), kCpuStream,
                                              &view, nullptr),
              HN_OK);
    got.insert(got.end(), row.data.begin(), row.data.end());
  }
  EXPECT_LE(relative_error(got, want.data), 1e-4);
}

// bfloat16 has 8 bits of mantissa; scores of unit vectors stay within 0.02, scaled ones likewise.
TEST_P(PublishedReward, HalfPrecisionIsNear) {
  const auto half = open(prompts_[0], {{"dtype", "bfloat16"}})->score(golden("image"));
  const float want = golden("score").data[0];
  const double scale = reward_ == "hps" || name_ == "clip_open_quick" ? 1.0 : 20.1;
  EXPECT_NEAR(half[0], want, 0.02 * scale);
}

TEST_P(PublishedReward, SameCallSameBits) {
  const auto reward = open(prompts_[0]);
  EXPECT_EQ(reward->score_and_gradient(golden("large"), HN_CALL_DETERMINISTIC),
            reward->score_and_gradient(golden("large"), HN_CALL_DETERMINISTIC));
}

std::string case_name(const testing::TestParamInfo<const char*>& param) { return param.param; }

INSTANTIATE_TEST_SUITE_P(Models, PublishedReward,
                         testing::Values("hps_derived", "hps_legacy", "hps_quick", "clip_open",
                                         "clip_open_quick", "pickscore_safe", "pickscore_bin",
                                         "pickscore_shards", "aesthetic_mlp", "aesthetic_linear",
                                         "aesthetic_inner"),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Models, PublishedTexts,
                         testing::Values("hps_derived", "hps_legacy", "hps_quick", "clip_open",
                                         "clip_open_quick", "pickscore_safe", "pickscore_bin",
                                         "pickscore_shards"),
                         case_name);

}  // namespace
}  // namespace hn::test
