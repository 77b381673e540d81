// Requests to score, as lines of JSON: what becomes an item, what an answer, and that nothing is
// thrown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scoring/score_requests.hpp"

namespace hn::host {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

TEST(ScoreRequests, AListKeepsItsOrderAndEachItsKeys) {
  ScoreRequests requests(
      R"([{"image": "a.png", "prompt": "x", "id": 7}, 3, {"image": "b.png", "scores": {"old": 1}},
          {"prompt": "y"}, {"image": "c.png", "prompt": 4}])");
  ASSERT_EQ(requests.items().size(), 2u);
  EXPECT_EQ(requests.items()[0].image, "a.png");
  EXPECT_EQ(requests.items()[0].prompt, "x");
  EXPECT_EQ(requests.items()[1].prompt, "");
  requests.take(0, {{"image", "other"}, {"scores", {{"clip", 0.5}}}});
  requests.take(1, {{"scores", {{"clip", nullptr}}}, {"error", "no picture"}});
  EXPECT_EQ(requests.answer(),
            R"([{"image":"a.png","prompt":"x","id":7,"scores":{"clip":0.5}},)"
            R"({"error":"expected an object with image and prompt"},)"
            R"({"image":"b.png","scores":{"clip":null},"error":"no picture"},)"
            R"({"prompt":"y","error":"expected a path under image"},)"
            R"({"image":"c.png","prompt":4,"error":"expected a text under prompt"}])");
}

TEST(ScoreRequests, OneAnswersWithOne) {
  ScoreRequests requests(R"({"image": "a.png", "error": "of before"})");
  EXPECT_EQ(requests.answer(), R"({"image":"a.png"})");
  EXPECT_EQ(ScoreRequests("[]").answer(), "[]");
}

TEST(ScoreRequests, ARefusedItemIsGoneAndAnswered) {
  ScoreRequests requests(R"([{"image": "a"}, {"image": "b", "prompt": "p"}, {"image": "c"}])");
  requests.refuse([](const ScoreItem& item) {
    return item.prompt.text.empty() ? "no prompt for " + item.image : std::string();
  });
  ASSERT_EQ(requests.items().size(), 1u);
  EXPECT_EQ(requests.items()[0].image, "b");
  requests.take(0, {{"scores", {{"clip", 1}}}});
  const ordered_json answer = ordered_json::parse(requests.answer());
  EXPECT_EQ(answer[0]["error"], "no prompt for a");
  EXPECT_EQ(answer[1]["scores"]["clip"], 1);
  EXPECT_EQ(answer[2]["error"], "no prompt for c");
}

TEST(ScoreRequests, WhatIsNoJsonIsAnAnswerToo) {
  for (const char* text : {"", "{", "\xff\xfe", "{\"a\": \"\xff\"}", "{\"a\xff\": 1, \"a\xff\": 2}",
                           "{\"image\": 1e999}", "[1, 2", "{\"a\": 1, \"a\": 2}"}) {
    const std::string answer = ScoreRequests(text).answer();
    ASSERT_TRUE(ordered_json::accept(answer)) << text << ": " << answer;
    EXPECT_THAT(ordered_json::parse(answer)["error"].get<std::string>(), HasSubstr("not JSON"))
        << text;
  }
}

TEST(ScoreRequestsTest, TheWholePromptIsRead) {
  const ScoreRequests requests(
      R"([{"image": "a.png", "prompt": "x", "negative": "y", "metadata": {"tag": "z"}},
          {"image": "b.png", "prompt": "x", "metadata": "z"},
          {"image": "c.png", "prompt": "x", "mask": "/nonexistent.png"}])");
  ASSERT_EQ(requests.items().size(), 1u);
  EXPECT_EQ(requests.items()[0].prompt.negative, "y");
  EXPECT_EQ(requests.items()[0].prompt.json, R"({"tag":"z"})");
  const auto answer = nlohmann::json::parse(requests.answer());
  EXPECT_EQ(answer[1]["error"], "expected an object under \"metadata\"");
  EXPECT_NE(answer[2]["error"].get<std::string>().find("/nonexistent.png"), std::string::npos);
}

}  // namespace
}  // namespace hn::host
