// image_reward: parity with image-reward 1.5 through the ABI, forward and gradient, and each error
// path.
//
// Golden values: tests/golden/image_reward/make.py. Tolerance 1e-4 relative to the largest value
// (float32). HN_PARITY_TABLE=FILE appends the table's rows to FILE
// (docs/results/parity_image_reward.md).
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>

#include "unit/image_reward_folder.hpp"
#include "unit/reward_support.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden/image_reward";

struct ModelFolder : ImageRewardModel {
  using ImageRewardModel::ImageRewardModel;
  Options options(Options more = {}) const {
    more["weights"] = path().string();
    return more;
  }
};

// One configuration's golden tensors.
struct Golden {
  explicit Golden(const std::string& name)
      : file(SafetensorsFile::open(kGolden / name / "golden.safetensors")) {
    for (const auto& p : nlohmann::json::parse(file.metadata().at("prompts")))
      prompts.push_back(p.get<std::string>());
  }
  std::vector<float> floats(const std::string& name) const {
    const TensorView& v = file.at(name);
    EXPECT_EQ(v.dtype, TensorDtype::kF32);
    std::vector<float> values(static_cast<std::size_t>(v.numel()));
    std::memcpy(values.data(), v.data, v.nbytes);
    return values;
  }
  Tensor images() const {
    const TensorView& v = file.at("images");
    Tensor t(v.shape);
    for (std::size_t i = 0; i < t.data.size(); ++i)
      t.data[i] = static_cast<float>(std::to_integer<int>(v.data[i])) / 255.0f;
    return t;
  }
  SafetensorsFile file;
  std::vector<std::string> prompts;
};

Tensor image_of(const Tensor& images, std::int64_t b) {
  std::vector<std::int64_t> shape = images.shape;
  shape[0] = 1;
  Tensor one(shape);
  std::copy_n(images.data.begin() + static_cast<std::ptrdiff_t>(b * one.numel()), one.data.size(),
              one.data.begin());
  return one;
}

class ImageRewardParity : public testing::TestWithParam<const char*> {
 protected:
  ImageRewardParity() : folder_(GetParam()), golden_(GetParam()) {}
  std::unique_ptr<Reward> open(Options more = {}) const {
    auto reward = std::make_unique<Reward>("image_reward", folder_.options(std::move(more)));
    EXPECT_EQ(reward->set_prompts(golden_.prompts).status, HN_OK);
    return reward;
  }
  ModelFolder folder_;
  Golden golden_;
};

TEST_P(ImageRewardParity, ForwardAndGradientEqualTheReference) {
  const Tensor images = golden_.images();
  const auto reward = open();
  const auto [score, gradient] = reward->score_and_gradient(images);
  const double forward = relative_error(score, golden_.floats("score"));
  EXPECT_LE(forward, 1e-4);

  std::vector<float> every_fifth;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (i % 5 == 0) every_fifth.push_back(gradient[i]);
    sum += gradient[i];
    squares += static_cast<double>(gradient[i]) * gradient[i];
  }
  const double backward = relative_error(every_fifth, golden_.floats("grad"));
  EXPECT_LE(backward, 1e-4);
  const TensorView& sums = golden_.file.at("grad_sums");
  double want[2];
  std::memcpy(want, sums.data, sizeof want);
  EXPECT_NEAR(squares, want[1], 1e-4 * want[1]);
  EXPECT_NEAR(sum, want[0], 1e-4 * std::sqrt(want[1] * static_cast<double>(gradient.size())));

  // Rounding has no derivative: straight-through. Where the sizes need no resize the two agree.
  const auto official = open({{"preprocess", "official"}})->score(images);
  const double of_official = relative_error(official, golden_.floats("official"));
  EXPECT_LE(of_official, 1e-4);

  const auto half = open({{"dtype", "bfloat16"}})->score(images);
  double off = 0;
  for (std::size_t b = 0; b < score.size(); ++b)
    off = std::max(off, std::abs(static_cast<double>(half[b]) - score[b]));
  EXPECT_LE(off, 0.25);  // 8 bits of mantissa; these random heads amplify more than the published

  std::printf("%s: forward %.1e, gradient %.1e, official %.1e, bfloat16 off by %.3f\n", GetParam(),
              forward, backward, of_official, off);
  if (const char* path = std::getenv("HN_PARITY_TABLE")) {
    char row[256];
    std::snprintf(row, sizeof row, "| %s | %.1e | %.1e | %.1e | %.3f |\n", GetParam(), forward,
                  backward, of_official, off);
    std::ofstream(path, std::ios::app) << row;
  }
}

// Padding of shorter prompts to the longest of the batch changes nothing.
TEST_P(ImageRewardParity, ScoresDoNotDependOnTheBatch) {
  const Tensor images = golden_.images();
  const auto want = golden_.floats("score");
  const auto reward = open();
  for (std::size_t b = 0; b < golden_.prompts.size(); ++b) {
    ASSERT_EQ(reward->set_prompts({golden_.prompts[b]}).status, HN_OK);
    const auto one = reward->score(image_of(images, static_cast<std::int64_t>(b)));
    EXPECT_NEAR(one.at(0), want[b], 1e-4 * std::max(1.0f, std::abs(want[b])));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ImageRewardParity,
                         testing::Values("plain", "derived", "wide", "deep", "published_words"),
                         [](const auto& param) { return std::string(param.param); });

TEST(ImageReward, GradientIsTheDifferenceQuotient) {
  const ModelFolder folder("plain");
  const Golden golden("plain");
  Reward reward("image_reward", folder.options());
  ASSERT_EQ(reward.set_prompts({golden.prompts[0]}).status, HN_OK);
  Tensor image = image_of(golden.images(), 0);
  const auto gradient = reward.score_and_gradient(image).second;
  // Along the gradient itself, where the quotient is largest and float32 noise matters least.
  double norm = 0;
  for (const float g : gradient) norm += static_cast<double>(g) * g;
  const auto moved = [&](double step) {
    Tensor t = image;
    for (std::size_t i = 0; i < t.data.size(); ++i)
      t.data[i] += static_cast<float>(step * gradient[i] / std::sqrt(norm));
    return static_cast<double>(reward.score(t).at(0));
  };
  const double h = 1e-2;
  EXPECT_NEAR((moved(h) - moved(-h)) / (2 * h), std::sqrt(norm), 2e-2 * std::sqrt(norm));
}

TEST(ImageReward, SharedPromptEqualsOneASample) {
  const ModelFolder folder("wide");
  const Golden golden("wide");
  Reward reward("image_reward", folder.options());
  ASSERT_EQ(reward.set_prompts({"a red cat"}).status, HN_OK);
  const auto shared = reward.score(golden.images());
  ASSERT_EQ(reward.set_prompts({"a red cat", "a red cat", "a red cat"}).status, HN_OK);
  EXPECT_EQ(reward.score(golden.images()), shared);
}

TEST(ImageReward, TheFileItselfServesAsWeights) {
  const ModelFolder folder("plain");
  Reward reward("image_reward", {{"weights", (folder.path() / "ImageReward.pt").string()}});
  const Golden golden("plain");
  ASSERT_EQ(reward.set_prompts(golden.prompts).status, HN_OK);
  EXPECT_LE(relative_error(reward.score(golden.images()), golden.floats("score")), 1e-4);
}

// What upstream gives when the MLP's weights were not loaded; the manifest's detector names it.
TEST(ImageReward, ASilentMlpGivesTheDetectorsConstant) {
  const ModelFolder folder("plain");
  folder.silence([](const std::string& name) { return name.starts_with("mlp."); });
  Reward reward("image_reward", folder.options());
  ASSERT_EQ(reward.set_prompts({"a red cat"}).status, HN_OK);
  for (const float score : reward.score(Golden("plain").images()))
    EXPECT_NEAR(score, -0.16178, 2e-6);
}

TEST(ImageReward, OnlyThirtyFiveTokensCount) {
  const ModelFolder folder("plain");
  const Golden golden("plain");
  Reward reward("image_reward", folder.options());
  std::string filler;
  for (int i = 0; i < 33; ++i) filler += "cat ";
  const Tensor image = image_of(golden.images(), 0);
  const auto score = [&](const std::string& prompt) {
    EXPECT_EQ(reward.set_prompts({prompt}).status, HN_OK);
    return reward.score(image).at(0);
  };
  EXPECT_EQ(score(filler), score(filler + "dog tree ocean"));
  EXPECT_NE(score(filler.substr(4)), score(filler.substr(4) + "dog"));
}

TEST(ImageReward, SameCallSameBits) {
  const ModelFolder folder("deep");
  const Golden golden("deep");
  Reward reward("image_reward", folder.options());
  ASSERT_EQ(reward.set_prompts(golden.prompts).status, HN_OK);
  EXPECT_EQ(reward.score_and_gradient(golden.images(), HN_CALL_DETERMINISTIC),
            reward.score_and_gradient(golden.images(), HN_CALL_DETERMINISTIC));
}

TEST(ImageReward, RefusesWrongTensors) {
  const ModelFolder folder("plain");
  Reward reward("image_reward", folder.options());
  ASSERT_EQ(reward.set_prompts({"a dog"}).status, HN_OK);
  Tensor empty({2, 3, 0, 8}), out({2}), gray({2, 1, 8, 8});
  const auto forward = [&](Tensor& image) {
    return reward.run({.in = {&image},
                       .out = {&out},
                       .cotangent = {},
                       .grad = {},
                       .accumulate = {},
                       .n_cond = {}});
  };
  Outcome o = forward(empty);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("H and W above 0"));
  o = forward(gray);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("image_rgb01"));
  const auto [score, gradient] = reward.score_and_gradient(Tensor({0, 3, 16, 16}));
  EXPECT_TRUE(score.empty());
  EXPECT_TRUE(gradient.empty());
}

// A changed copy of a golden model, to be refused.
class ImageRewardFolder : public testing::Test {
 protected:
  ImageRewardFolder() : folder_("plain") {}
  void edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(kGolden / "plain" / file));
    change(json);
    std::ofstream(folder_.path() / file) << json;
  }
  void expect_refused(hn_status status, std::initializer_list<const char*> texts,
                      Options options = {}) {
    const Outcome o = Reward::create_outcome("image_reward", folder_.options(std::move(options)));
    EXPECT_EQ(o.status, status) << o.text;
    for (const char* text : texts) EXPECT_THAT(o.text, testing::HasSubstr(text));
  }
  ModelFolder folder_;
};

TEST_F(ImageRewardFolder, NamesMissingFiles) {
  fs::remove(folder_.path() / "ImageReward.pt");
  expect_refused(HN_NOT_FOUND, {"ImageReward.pt"});
  const Outcome none = Reward::create_outcome("image_reward", {{"weights", "/nonexistent/x"}});
  EXPECT_EQ(none.status, HN_NOT_FOUND);
  EXPECT_THAT(none.text, testing::HasSubstr("/nonexistent/x"));
  const Outcome unnamed = Reward::create_outcome("image_reward", {});
  EXPECT_EQ(unnamed.status, HN_NOT_FOUND);
  EXPECT_THAT(unnamed.text, testing::HasSubstr("weights"));
}

TEST_F(ImageRewardFolder, RefusesADamagedCheckpoint) {
  fs::resize_file(folder_.path() / "ImageReward.pt", 5000);
  expect_refused(HN_DATA_LOSS, {"ImageReward.pt"});
}

TEST_F(ImageRewardFolder, WithoutMedConfigThePublishedSizesAreWanted) {
  fs::remove(folder_.path() / "med_config.json");
  // The list is longer than the caller's buffer; its beginning names the ten layers too few.
  expect_refused(
      HN_DATA_LOSS,
      {"missing (260)", "blip.text_encoder.encoder.layer.2.attention.self.query.weight [768,768]"});
}

TEST_F(ImageRewardFolder, RefusesMedConfigsItCannotFollow) {
  const auto refused = [&](const std::function<void(nlohmann::json&)>& change, hn_status status,
                           std::initializer_list<const char*> texts) {
    edit_json("med_config.json", change);
    expect_refused(status, texts);
  };
  refused([](auto& j) { j["hidden_sise"] = 18; }, HN_DATA_LOSS, {"hidden_sise", "hidden_size"});
  refused([](auto& j) { j["hidden_size"] = "wide"; }, HN_DATA_LOSS, {"hidden_size"});
  refused([](auto& j) { j["num_attention_heads"] = 5; }, HN_DATA_LOSS,
          {"num_attention_heads", "divisor of hidden_size 18"});
  refused([](auto& j) { j["num_hidden_layers"] = 0; }, HN_DATA_LOSS, {"num_hidden_layers"});
  refused([](auto& j) { j["max_position_embeddings"] = 34; }, HN_DATA_LOSS, {"at least 35"});
  refused([](auto& j) { j["pad_token_id"] = 86; }, HN_DATA_LOSS, {"pad_token_id", "86"});
  refused([](auto& j) { j["add_cross_attention"] = false; }, HN_DATA_LOSS, {"add_cross_attention"});
  refused([](auto& j) { j["position_embedding_type"] = "relative_key"; }, HN_UNSUPPORTED,
          {"position_embedding_type", "relative_key"});
  refused([](auto& j) { j["hidden_act"] = "swiglu"; }, HN_UNSUPPORTED, {"hidden_act", "swiglu"});
  refused([](auto& j) { j["vocab_size"] = 80; }, HN_DATA_LOSS, {"word_embeddings", "[80,18]"});
  std::ofstream(folder_.path() / "med_config.json") << "{";
  expect_refused(HN_DATA_LOSS, {"med_config.json"});
}

TEST_F(ImageRewardFolder, RefusesVitConfigsItCannotFollow) {
  const auto refused = [&](const std::function<void(nlohmann::json&)>& change,
                           std::initializer_list<const char*> texts) {
    edit_json("vit_config.json", change);
    expect_refused(HN_DATA_LOSS, texts);
  };
  refused([](auto& j) { j["head"] = 3; }, {"head", "heads"});
  refused([](auto& j) { j["heads"] = 5; }, {"heads", "divisor of width 24"});
  refused([](auto& j) { j["image_size"] = 25; }, {"image_size", "multiple of patch_size 8"});
  refused([](auto& j) { j["mlp_ratio"] = 0.0; }, {"mlp_ratio"});
  refused([](auto& j) { j["depth"] = 0; }, {"depth"});
  refused([](auto& j) { j["depth"] = 3; }, {"missing", "blip.visual_encoder.blocks.2.norm1"});
  refused([](auto& j) { j["image_size"] = 32; }, {"pos_embed: expected [1,17,24], got [1,10,24]"});
  refused([](auto& j) { j.erase("heads"); }, {"heads", "width 24"});
  fs::remove(folder_.path() / "vit_config.json");
  expect_refused(HN_DATA_LOSS, {"heads", "width 24", "no such file"});
}

TEST_F(ImageRewardFolder, RefusesAForeignVocabulary) {
  fs::remove(folder_.path() / "vocab.txt");
  expect_refused(HN_DATA_LOSS, {"ids up to 30523, but vocab_size is 86"});
  std::ofstream(folder_.path() / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n";
  expect_refused(HN_DATA_LOSS, {"vocab.txt", "[SEP]"});
  // Another tokenizer's files do not make way for the bundle's vocabulary.
  fs::remove(folder_.path() / "vocab.txt");
  std::ofstream(folder_.path() / "tokenizer_config.json") << "{}";
  expect_refused(HN_NOT_FOUND, {"expected vocab.txt beside tokenizer_config.json"});
}

TEST_F(ImageRewardFolder, RefusesOptions) {
  expect_refused(HN_UNSUPPORTED, {"[option dtype]", "int8"}, {{"dtype", "int8"}});
  expect_refused(HN_UNSUPPORTED, {"[option device]", "tpu"}, {{"device", "tpu"}});
  expect_refused(HN_INVALID_ARGUMENT, {"[option preprocess]", "tensor, official", "fast"},
                 {{"preprocess", "fast"}});
}

}  // namespace
}  // namespace hn::test
