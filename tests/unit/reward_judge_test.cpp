// judge: the grammar, and verdicts through the ABI against the Python original. Golden values:
// tests/golden/judge/make.py.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>

#include "plugins/rewards/judge/grammar.hpp"
#include "plugins/rewards/judge/metadata.hpp"
#include "support/gzip.hpp"
#include "unit/reward_support.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden/judge";
enum Column { kScore, kObjects, kCount, kColours, kRelation, kBackground, kCategory, kColumns };

TEST(JudgeGrammar, ReadsEveryCaptionOfTheScenes) {
  const auto rows = nlohmann::json::parse(hn::test::unzip(kGolden / "captions.json.gz"));
  ASSERT_GE(rows.size(), 500u);
  std::array<int, 6> seen{};
  for (const auto& row : rows) {
    const auto caption = row["caption"].get<std::string>();
    const judge::Wanted w = judge::parse_caption(caption);
    EXPECT_EQ(w.category, row["category"].get<int>()) << caption;
    EXPECT_EQ(w.relation, row["relation"].get<int>()) << caption;
    EXPECT_EQ(w.background, row["background"].get<int>()) << caption;
    EXPECT_EQ(w.any_number, row["any_number"].get<bool>()) << caption;
    ASSERT_EQ(w.items.size(), row["items"].size()) << caption;
    for (std::size_t i = 0; i < w.items.size(); ++i) {
      EXPECT_EQ(w.items[i].object, row["items"][i][0].get<int>()) << caption;
      EXPECT_EQ(w.items[i].colour, row["items"][i][1].get<int>()) << caption;
    }
    ++seen.at(static_cast<std::size_t>(w.category));
  }
  for (const int n : seen) EXPECT_GT(n, 10);
}

TEST(JudgeGrammar, ReadsOtherSpellings) {
  const judge::Wanted w = judge::parse_caption(
      "  A Photo of  ONE red Dog to the left of an umbrella on a grey background. ");
  EXPECT_EQ(w.category, judge::kAttribution);
  EXPECT_EQ(w.relation, 0);
  EXPECT_EQ(w.items[0].colour, 0);
  EXPECT_EQ(w.items[1].colour, -1);
  EXPECT_EQ(judge::kBackgrounds[static_cast<std::size_t>(w.background)], "gray");
  EXPECT_EQ(judge::parse_caption("one fish").category, judge::kSingle);
  EXPECT_TRUE(judge::parse_caption("fish").any_number);
}

TEST(JudgeMetadata, SaysWhatTheCaptionSays) {
  const auto same = [](const char* caption, const char* json) {
    const judge::Wanted want = judge::parse_caption(caption), got = judge::parse_metadata(json);
    EXPECT_EQ(got.category, want.category) << json;
    EXPECT_EQ(got.relation, want.relation) << json;
    EXPECT_EQ(got.background, want.background) << json;
    EXPECT_EQ(got.any_number, want.any_number) << json;
    ASSERT_EQ(got.items.size(), want.items.size()) << json;
    for (std::size_t i = 0; i < got.items.size(); ++i) {
      EXPECT_EQ(got.items[i].object, want.items[i].object) << json;
      EXPECT_EQ(got.items[i].colour, want.items[i].colour) << json;
    }
  };
  same("a dog", R"({"tag": "single_object", "include": [{"class": "dog", "count": 1}],
                    "prompt": "a photo of a dog"})");
  same("a dog and a star",
       R"({"tag": "two_object", "include": [{"class": "dog", "count": 1}, {"class": "star"}]})");
  same("three purple elephants", R"({"tag": "counting", "include": [{"class": "elephant",
       "count": 3, "color": "purple"}], "exclude": [{"class": "elephant", "count": 4}]})");
  same("a red cup on a gray background",
       R"({"tag": "colors", "include": [{"class": "cup", "color": "red"}], "background": "gray"})");
  same("a dog above a star", R"({"tag": "position", "include": [{"class": "star"},
       {"class": "dog", "position": ["above", 0]}]})");
  same("a dog to the left of a star", R"({"tag": "position", "include": [{"class": "star"},
       {"class": "dog", "position": ["left of", 0]}]})");
  same("a red dog and a blue star", R"({"tag": "color_attr", "include": [{"class": "dog",
       "color": "red"}, {"class": "star", "color": "blue"}]})");
}

TEST(JudgeMetadata, NamesWhatItCannotRead) {
  const auto refused = [](const char* json, const char* text) {
    try {
      judge::parse_metadata(json);
      ADD_FAILURE() << json << " was read";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_INVALID_ARGUMENT);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  refused("[]", "object");
  refused("{\"tag\": ", "byte");
  refused(R"({"include": [{"class": "dog"}]})", "tag");
  refused(R"({"tag": "single", "include": [{"class": "dog"}]})", "single_object");
  refused(R"({"tag": "single_object", "include": []})", "include");
  refused(R"({"tag": "single_object", "include": [{"class": "doog"}]})", "dog");
  refused(R"({"tag": "colors", "include": [{"class": "dog", "color": "rot"}]})", "color");
  refused(R"({"tag": "counting", "include": [{"class": "dog", "count": 0}]})", "count");
  refused(R"({"tag": "position", "include": [{"class": "dog"}, {"class": "star"}]})", "position");
  refused(R"({"tag": "single_object", "include": [{"class": "dog", "size": 3}]})", "size");
  refused(R"({"tag": "single_object", "include": [{"class": "dog"}], "mood": "sad"})", "mood");
}

TEST(JudgeGrammar, NamesTheWordThatItDoesNotKnow) {
  const auto refused = [](const char* prompt, std::initializer_list<const char*> texts) {
    try {
      judge::parse_caption(prompt);
      ADD_FAILURE() << prompt << " was read";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_INVALID_ARGUMENT);
      EXPECT_THAT(e.what(), testing::HasSubstr(std::string("prompt \"") + prompt + "\""));
      for (const char* text : texts) EXPECT_THAT(e.what(), testing::HasSubstr(text));
    }
  };
  refused("", {"got the end"});
  refused("a", {"a colour or an object at word 2, got the end"});
  refused("a red zebra", {"an object at word 3, got \"zebra\""});
  refused("a penguim", {"\"penguim\"", "penguin"});
  refused("two dog", {"\"dog\"", "dogs"});
  refused("a dogs", {"\"dogs\"", "dog"});
  refused("five dogs", {"\"five\""});
  refused("a dog beside a cat",
          {"\"and\", a relation or \"on a COLOUR background\" at word 3, got \"beside\""});
  refused("a dog and cats", {"\"a\", \"an\" or \"one\"", "\"cats\""});
  refused("two dogs and a cat", {"\"and\""});
  refused("a dog to the left a cat", {"\"to\""});
  refused("a dog on a orange background", {"a background colour", "\"orange\""});
  refused("a dog on a red", {"\"background\"", "got the end"});
  refused("a dog on a red background today", {"the end at word 7, got \"today\""});
}

class JudgeVerdicts : public testing::Test {
 protected:
  JudgeVerdicts()
      : reward_("judge"),
        file_(
            SafetensorsFile::open(unzip_into(folder_.path(), kGolden / "golden.safetensors.gz"))) {}

  Tensor image(std::int64_t index) const {
    constexpr std::size_t kPixels = 3 * 64 * 64;
    const TensorView& v = file_.at("image");
    Tensor t({1, 3, 64, 64});
    for (std::size_t i = 0; i < kPixels; ++i)
      t.data[i] =
          static_cast<float>(v.data[static_cast<std::size_t>(index) * kPixels + i]) / 255.0f;
    return t;
  }
  // Score and columns of images that share one batch.
  std::array<std::vector<float>, kColumns> judge(Tensor images,
                                                 const std::vector<std::string>& prompts) {
    const Outcome encoded = reward_.set_prompts(prompts);
    EXPECT_EQ(encoded.status, HN_OK) << encoded.text;
    std::vector<Tensor> columns(kColumns, Tensor({images.shape[0]}));
    Reward::Pass pass;
    pass.in = {&images};
    for (Tensor& c : columns) pass.out.push_back(&c);
    const Outcome o = reward_.run(pass);
    EXPECT_EQ(o.status, HN_OK) << o.text;
    std::array<std::vector<float>, kColumns> values;
    for (std::size_t i = 0; i < kColumns; ++i) values[i] = columns[i].data;
    return values;
  }

  TestFolder folder_;
  Reward reward_;
  SafetensorsFile file_;
};

TEST_F(JudgeVerdicts, EqualThePythonOriginal) {
  const auto prompts =
      nlohmann::json::parse(file_.metadata().at("prompts")).get<std::vector<std::string>>();
  const TensorView &right = file_.at("right"), &background = file_.at("background_right"),
                   &pair = file_.at("pair_image");
  std::array<std::array<int, 2>, 6> seen{};
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::int32_t index;
    std::memcpy(&index, pair.data + 4 * i, 4);
    const auto v = judge(image(index), {prompts[i]});
    EXPECT_EQ(v[kScore][0], static_cast<float>(right.data[i]))
        << prompts[i] << ", picture " << index;
    EXPECT_EQ(v[kBackground][0], static_cast<float>(background.data[i]))
        << prompts[i] << ", picture " << index;
    // The verdict is what its columns say.
    const int category = static_cast<int>(v[kCategory][0]);
    float expected = std::min(v[kObjects][0], v[kCount][0]);
    if (category == judge::kColors || category == judge::kAttribution)
      expected = std::min(expected, v[kColours][0]);
    if (category == judge::kPosition) expected = std::min(expected, v[kRelation][0]);
    EXPECT_EQ(v[kScore][0], expected) << prompts[i];
    ++seen[static_cast<std::size_t>(category)][v[kScore][0] > 0 ? 1 : 0];
  }
  for (const auto& [wrong, correct] : seen) {
    EXPECT_GT(wrong, 0);
    EXPECT_GT(correct, 0);
  }
}

TEST_F(JudgeVerdicts, ABatchJudgesEachPictureAlone) {
  const auto prompts =
      nlohmann::json::parse(file_.metadata().at("prompts")).get<std::vector<std::string>>();
  Tensor all({8, 3, 64, 64});
  std::vector<std::string> own;
  for (std::int64_t i = 0; i < 8; ++i) {
    const Tensor one = image(i);
    std::copy(one.data.begin(), one.data.end(),
              all.data.begin() + i * static_cast<std::int64_t>(one.data.size()));
    own.push_back(prompts[static_cast<std::size_t>(2 * i)]);
  }
  const auto together = judge(all, own);
  for (std::int64_t i = 0; i < 8; ++i)
    EXPECT_EQ(judge(image(i), {own[static_cast<std::size_t>(i)]})[kScore][0],
              together[kScore][static_cast<std::size_t>(i)]);
}

TEST_F(JudgeVerdicts, LargerPicturesAreBroughtToSize) {
  const auto prompts =
      nlohmann::json::parse(file_.metadata().at("prompts")).get<std::vector<std::string>>();
  int same = 0;
  for (std::int64_t i = 0; i < 12; ++i) {
    const Tensor small = image(i);
    Tensor large({1, 3, 128, 128});
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t y = 0; y < 128; ++y)
        for (std::size_t x = 0; x < 128; ++x)
          large.data[(c * 128 + y) * 128 + x] = small.data[(c * 64 + y / 2) * 64 + x / 2];
    const std::vector<std::string> own = {prompts[static_cast<std::size_t>(2 * i)]};
    same += judge(large, own)[kScore] == judge(small, own)[kScore] ? 1 : 0;
  }
  EXPECT_GE(same, 11);
}

TEST_F(JudgeVerdicts, IsScoreOnly) {
  hn_slot slot{};
  slot.struct_size = sizeof slot;
  ASSERT_EQ(reward_.table().slot(reward_.fn(), HN_SLOT_INPUT, 0, &slot, nullptr), HN_OK);
  EXPECT_EQ(slot.flags & HN_SLOT_DIFF, 0u);
  ASSERT_EQ(reward_.set_prompts({"a dog"}).status, HN_OK);
  Tensor picture = image(0), score({1});
  Reward::Pass pass;
  pass.in = {&picture};
  pass.out = {&score};
  pass.want_grad = true;
  const Outcome o = reward_.run(pass);
  EXPECT_EQ(o.status, HN_UNSUPPORTED);
  EXPECT_THAT(o.text, testing::HasSubstr("image_rgb01 is not differentiable"));
}

TEST_F(JudgeVerdicts, EmptyBatchAndRefusals) {
  ASSERT_EQ(reward_.set_prompts({"a dog"}).status, HN_OK);
  EXPECT_TRUE(reward_.score(Tensor({0, 3, 64, 64})).empty());
  Tensor empty({1, 3, 0, 64}), gray({1, 1, 64, 64}), score({1});
  for (Tensor* bad : {&empty, &gray}) {
    Reward::Pass pass;
    pass.in = {bad};
    pass.out = {&score};
    EXPECT_EQ(reward_.run(pass).status, HN_INVALID_ARGUMENT);
  }
  const Outcome o = reward_.set_prompts({"a dog", "a blue zebra"});
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("\"zebra\""));
}

TEST(JudgeWeights, RefusesWhatDoesNotFit) {
  const fs::path folder = fs::temp_directory_path() / ("hn_judge_" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  Outcome o = Reward::create_outcome("judge", {{"weights", folder.string()}});
  EXPECT_EQ(o.status, HN_NOT_FOUND);
  EXPECT_THAT(o.text, testing::HasSubstr("judge.safetensors"));

  const SafetensorsFile real = SafetensorsFile::open(
      fs::path(HN_SOURCE_DIR) / "plugins/rewards/judge/weights/judge.safetensors");
  std::vector<TensorToWrite> tensors;
  for (const TensorView& v : real.tensors())
    if (v.name != "mix.weight" && v.name != "bg.bias")
      tensors.push_back({v.name, v.dtype, v.shape, v.data, v.nbytes});
  write_safetensors(folder / "judge.safetensors", tensors);
  o = Reward::create_outcome("judge", {{"weights", folder.string()}});
  EXPECT_EQ(o.status, HN_DATA_LOSS);
  EXPECT_THAT(o.text,
              testing::AllOf(testing::HasSubstr("missing (2)"), testing::HasSubstr("mix.weight"),
                             testing::HasSubstr("bg.bias")));
  EXPECT_EQ(Reward::create_outcome("judge", {{"dtype", "bfloat16"}}).status, HN_UNSUPPORTED);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace hn::test
