// hnhost selftest on the installed rewards, on a small model in ImageReward's format, and on one
// whose head was not loaded.
#include "cli/cli_support.hpp"
#include "unit/image_reward_folder.hpp"

namespace {

using hn::test::hnhost;
using hn::test::ImageRewardModel;
using hn::test::Outcome;
using hn::test::TestFolder;
using ::testing::HasSubstr;

const nlohmann::json& row_of(const nlohmann::json& report, const std::string& name) {
  for (const auto& row : report.at("rewards"))
    if (row.at("name") == name) return row;
  throw std::runtime_error("no row " + name + " in " + report.dump(1));
}

std::string check_of(const nlohmann::json& row, const std::string& name) {
  for (const auto& check : row.at("checks"))
    if (check.at("name") == name)
      return check.at("status").get<std::string>() + ": " + check.at("text").get<std::string>();
  return "none";
}

TEST(Selftest, WhatIsAtHandPassesAndTheRestIsUntested) {
  const Outcome outcome = hnhost({"selftest", "--json", "--threads", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  const nlohmann::json report = outcome.json();
  EXPECT_TRUE(report.at("ok").get<bool>());
  EXPECT_EQ(report.at("failed"), 0);
  EXPECT_EQ(row_of(report, "tiny-clip").at("status"), "passed");
  EXPECT_EQ(row_of(report, "redness").at("status"), "passed");
  EXPECT_EQ(row_of(report, "emoji-judge").at("status"), "passed");
  EXPECT_THAT(check_of(row_of(report, "emoji-judge"), "gradient"), HasSubstr("skipped"));
  const nlohmann::json& absent = row_of(report, "image-reward-v1.0");
  EXPECT_EQ(absent.at("status"), "untested");
  EXPECT_THAT(absent.at("text").get<std::string>(), HasSubstr("--weights image-reward-v1.0=DIR"));
}

TEST(Selftest, ASmallImageRewardPasses) {
  const ImageRewardModel model("plain");
  const std::vector<std::string> words = {"selftest", "--reward", "imagereward", "--weights",
                                          "imagereward=" + model.path().string()};
  const Outcome table = hnhost(words);
  EXPECT_EQ(table.code, 0) << table.err << table.out;
  EXPECT_THAT(table.out, HasSubstr("imagereward: passed"));
  EXPECT_THAT(table.out, HasSubstr("1 passed, 0 failed, 0 untested"));
  EXPECT_THAT(table.out, HasSubstr("no picture 1.webp at hand"));
}

TEST(Selftest, NamesAHeadThatWasNotLoaded) {
  const ImageRewardModel model("plain");
  model.silence([](const std::string& name) { return name.starts_with("mlp."); });
  const Outcome outcome = hnhost({"selftest", "--json", "--reward", "image_reward", "--weights",
                                  "image_reward=" + model.path().string()});
  EXPECT_EQ(outcome.code, 1);
  const nlohmann::json row = row_of(outcome.json(), "image_reward");
  EXPECT_EQ(row.at("status"), "failed");
  EXPECT_THAT(check_of(row, "detectors"), HasSubstr("failed: a score is -0.1617"));
  EXPECT_THAT(check_of(row, "detectors"), HasSubstr("the MLP gave 0"));
  EXPECT_THAT(check_of(row, "pictures"), HasSubstr("failed"));
  EXPECT_THAT(check_of(row, "gradient"), HasSubstr("zero everywhere"));
}

TEST(Selftest, NamesAPromptThatIsNotRead) {
  const ImageRewardModel model("plain");
  model.silence([](const std::string& name) {
    return name.starts_with("blip.text_encoder.embeddings.") && !name.ends_with("position_ids");
  });
  const Outcome outcome = hnhost({"selftest", "--json", "--reward", "image_reward", "--weights",
                                  "image_reward=" + model.path().string()});
  EXPECT_EQ(outcome.code, 1);
  const nlohmann::json row = row_of(outcome.json(), "image_reward");
  EXPECT_THAT(check_of(row, "prompts"), HasSubstr("failed: the score does not change"));
  EXPECT_THAT(check_of(row, "pictures"), HasSubstr("passed"));
}

TEST(Selftest, ANamedRewardWithoutWeightsFails) {
  const Outcome outcome = hnhost({"selftest", "--reward", "image_reward"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("image_reward: untested"));
  EXPECT_THAT(outcome.out, HasSubstr("0 passed, 0 failed, 1 untested"));
}

TEST(Selftest, WeightsOfAnotherModelAreAFailedRow) {
  const TestFolder empty;
  const Outcome outcome = hnhost({"selftest", "--json", "--reward", "image_reward", "--weights",
                                  "image_reward=" + empty.path().string()});
  EXPECT_EQ(outcome.code, 1);
  const nlohmann::json row = row_of(outcome.json(), "image_reward");
  EXPECT_EQ(row.at("status"), "failed");
  EXPECT_THAT(row.at("text").get<std::string>(), HasSubstr("ImageReward.pt"));
}

TEST(Selftest, KnownValuesAreComparedWhereThePictureIs) {
  const ImageRewardModel model("plain");
  const TestFolder pictures;
  // A picture of that name, but not the published model: the score is another one.
  std::filesystem::copy(std::string(HN_SOURCE_DIR) + "/tests/golden/images/rgb.png",
                        pictures.path() / "1.webp");
  const Outcome outcome =
      hnhost({"selftest", "--json", "--reward", "image_reward", "--weights",
              "image_reward=" + model.path().string(), "--images", pictures.path().string()});
  EXPECT_EQ(outcome.code, 1);
  const nlohmann::json row = row_of(outcome.json(), "image_reward");
  EXPECT_THAT(check_of(row, "known value 1.webp"), HasSubstr("failed: expected 0.58116"));
  EXPECT_THAT(check_of(row, "known value 2.webp"), HasSubstr("skipped: no picture 2.webp"));
}

TEST(Selftest, MistakesInTheRequest) {
  EXPECT_EQ(hnhost({"selftest", "--weights", "clip"}).code, 2);
  const Outcome folder = hnhost({"selftest", "--images", "/no/such/folder"});
  EXPECT_NE(folder.code, 0);
  EXPECT_THAT(folder.err, HasSubstr("/no/such/folder is no folder"));
  const Outcome name = hnhost({"selftest", "--reward", "rednes"});
  EXPECT_NE(name.code, 0);
  EXPECT_THAT(name.err, HasSubstr("redness"));
  const Outcome other = hnhost({"selftest", "--reward", "redness", "--weights", "clip-h14=/tmp"});
  EXPECT_NE(other.code, 0);
  EXPECT_THAT(other.err, HasSubstr("clip-h14 is not among the rewards to test"));
}

}  // namespace
