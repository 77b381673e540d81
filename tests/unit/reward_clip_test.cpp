// clip: parity with transformers' CLIPModel through the ABI, forward and gradient, and each error
// path.
//
// Golden values: tests/golden/clip/make.py. Tolerance 1e-4 relative to the largest value (float32).
// HN_PARITY_TABLE=FILE appends the table's rows to FILE (docs/results/parity_clip.md).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>

#include "unit/reward_published_support.hpp"

namespace hn::test {
namespace {

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden/clip";
const fs::path kTiny = fs::path(HN_SOURCE_DIR) / "plugins/rewards/clip/weights/tiny-clip";

Tensor first_image(const Tensor& images) {
  std::vector<std::int64_t> shape = images.shape;
  shape[0] = 1;
  Tensor one(shape);
  std::copy_n(images.data.begin(), one.data.size(), one.data.begin());
  return one;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

class ClipParity : public testing::TestWithParam<const char*> {
 protected:
  ClipParity()
      : name_(GetParam()), file_(SafetensorsFile::open(kGolden / name_ / "golden.safetensors")) {
    for (const auto& p : nlohmann::json::parse(file_.metadata().at("prompts")))
      prompts_.push_back(p.get<std::string>());
  }
  Options options(Options more = {}) const {
    more["weights"] = (name_ == "tiny" ? kTiny : kGolden / name_).string();
    return more;
  }
  std::unique_ptr<Reward> open(Options more = {}) const {
    auto reward = std::make_unique<Reward>("clip", options(std::move(more)));
    EXPECT_EQ(reward->set_prompts(prompts_).status, HN_OK);
    return reward;
  }

  std::string name_;
  SafetensorsFile file_;
  std::vector<std::string> prompts_;
};

TEST_P(ClipParity, ForwardAndGradientEqualTransformers) {
  const Tensor image = golden_tensor(file_, "image");
  const auto [cosine, gradient] = open()->score_and_gradient(image);
  const double forward = relative_error(cosine, golden_tensor(file_, "cosine").data);
  const double backward = relative_error(gradient, golden_tensor(file_, "gradient").data);
  EXPECT_LE(forward, 1e-4);
  EXPECT_LE(backward, 1e-4);
  const double logit =
      relative_error(open({{"output", "logit"}})->score(image), golden_tensor(file_, "logit").data);
  EXPECT_LE(logit, 1e-4);

  auto official = open({{"preprocess", "official"}});
  EXPECT_LE(relative_error(official->score(image), golden_tensor(file_, "official").data), 1e-4);
  ASSERT_EQ(official->set_prompts({prompts_[0]}).status, HN_OK);
  const auto [value, straight] = official->score_and_gradient(first_image(image));
  const double official_backward =
      relative_error(straight, golden_tensor(file_, "official_gradient").data);
  EXPECT_LE(official_backward, 1e-4);

  // bfloat16 has 8 bits of mantissa: cosines within 0.02 of float32 on every configuration,
  // transformers' own as well.
  const auto half = open({{"dtype", "bfloat16"}})->score(image);
  const double ours = largest_difference(half, golden_tensor(file_, "cosine").data);
  const double theirs = largest_difference(golden_tensor(file_, "bfloat16").data,
                                           golden_tensor(file_, "cosine").data);
  EXPECT_LE(ours, 0.02) << "transformers' own bfloat16 is off by " << theirs;

  std::printf("%s: forward %.1e, gradient %.1e, logit %.1e, bfloat16 %.4f (transformers' %.4f)\n",
              name_.c_str(), forward, backward, logit, ours, theirs);
  if (const char* path = std::getenv("HN_PARITY_TABLE")) {
    const double official_forward = relative_error(open({{"preprocess", "official"}})->score(image),
                                                   golden_tensor(file_, "official").data);
    char row[256];
    std::snprintf(row, sizeof row, "| %s | %.1e | %.1e | %.1e | %.1e | %.1e | %.4f | %.4f |\n",
                  name_.c_str(), forward, backward, logit, official_forward, official_backward,
                  ours, theirs);
    std::ofstream(path, std::ios::app) << row;
  }
}

TEST_P(ClipParity, TextVectorsEqualTransformersPaddedBatch) {
  const auto reward = open();
  const Tensor want = golden_tensor(file_, "text");
  const std::int64_t d = want.shape[1];
  ASSERT_EQ(reward->cond_table()->embedding_size(reward->instance()),
            static_cast<std::uint64_t>(d));
  std::vector<float> got;
  for (std::size_t b = 0; b < prompts_.size(); ++b) {
    Tensor row({d});
    DLTensor view = row.view();
    ASSERT_EQ(reward->cond_table()->embedding(reward->instance(), reward->handle(b), kCpuStream,
                                              &view, nullptr),
              HN_OK);
    got.insert(got.end(), row.data.begin(), row.data.end());
    EXPECT_GE(reward->cond_table()->size_bytes(reward->instance(), reward->handle(b)),
              static_cast<std::uint64_t>(d) * 4);
  }
  EXPECT_LE(relative_error(got, want.data), 1e-4);
}

// A prompt's vector is the same, to rounding, whatever it was encoded with; a host that wants the
// same bits encodes prompts one by one.
TEST_P(ClipParity, VectorsDoNotDependOnTheBatch) {
  const auto together = open(), alone = open();
  ASSERT_EQ(alone->set_prompts({prompts_.back()}).status, HN_OK);
  Tensor a(
      {static_cast<std::int64_t>(together->cond_table()->embedding_size(together->instance()))}),
      b = a;
  DLTensor va = a.view(), vb = b.view();
  together->cond_table()->embedding(together->instance(), together->handle(prompts_.size() - 1),
                                    kCpuStream, &va, nullptr);
  alone->cond_table()->embedding(alone->instance(), alone->handle(0), kCpuStream, &vb, nullptr);
  EXPECT_LE(relative_error(a.data, b.data), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Models, ClipParity,
                         testing::Values("tiny", "quick", "gelu", "legacy", "sharded", "bare"),
                         [](const auto& param) { return std::string(param.param); });

// A changed copy of a golden model, to be refused.
class ClipFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("hn_clip_" + std::to_string(::getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::copy(kGolden / "quick", folder_);
    fs::remove(folder_ / "golden.safetensors");  // a lone weights file of any name would be opened
  }
  void TearDown() override { fs::remove_all(folder_); }

  void edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(folder_ / file));
    change(json);
    std::ofstream(folder_ / file) << json;
  }
  // Writes the weights again, each tensor as `change` leaves it; an empty name drops it.
  void edit_weights(const std::function<void(TensorToWrite&)>& change) {
    const SafetensorsFile file = SafetensorsFile::open(kGolden / "quick/model.safetensors");
    std::vector<TensorToWrite> all;
    for (const TensorView& v : file.tensors()) {
      TensorToWrite t{v.name, v.dtype, v.shape, v.data, v.nbytes};
      change(t);
      if (!t.name.empty()) all.push_back(t);
    }
    fs::remove(folder_ / "model.safetensors");
    write_safetensors(folder_ / "model.safetensors", all);
  }
  void expect_refused(hn_status status, std::initializer_list<const char*> texts,
                      Options options = {}) {
    options["weights"] = folder_.string();
    const Outcome o = Reward::create_outcome("clip", options);
    EXPECT_EQ(o.status, status) << o.text;
    for (const char* text : texts) EXPECT_THAT(o.text, testing::HasSubstr(text));
  }

  fs::path folder_;
};

TEST_F(ClipFolder, LoadsUnchanged) {
  EXPECT_EQ(Reward::create_outcome("clip", {{"weights", folder_.string()}}).status, HN_OK);
}

TEST_F(ClipFolder, ListsEveryTensorThatDoesNotFit) {
  edit_weights([](TensorToWrite& t) {
    if (t.name == "text_projection.weight" || t.name == "logit_scale") t.name.clear();
    if (t.name == "vision_model.pre_layrnorm.bias") t.name = "vision_model.pre_layernorm.bias";
    if (t.name == "visual_projection.weight") t.shape = {t.shape[1], t.shape[0]};
  });
  expect_refused(HN_DATA_LOSS, {"missing (3)", "text_projection.weight", "logit_scale",
                                "vision_model.pre_layrnorm.bias", "wrong shape (1)",
                                "visual_projection.weight: expected [32,48], got [48,32]",
                                "unexpected (1)", "vision_model.pre_layernorm.bias"});
}

TEST_F(ClipFolder, RefusesTruncatedWeights) {
  fs::resize_file(folder_ / "model.safetensors", 5000);
  expect_refused(HN_DATA_LOSS, {"model.safetensors"});
}

TEST_F(ClipFolder, RefusesElementTypesWithoutMeaning) {
  edit_weights([](TensorToWrite& t) {
    if (t.name != "text_projection.weight") return;
    t.dtype = TensorDtype::kF8E8M0;
    t.shape = {t.shape[0] * 2, t.shape[1]};
  });
  expect_refused(HN_DATA_LOSS, {"text_projection.weight"});
}

TEST_F(ClipFolder, NamesMissingFiles) {
  // Without it the tensors tell everything but the heads, and 64 does not divide these widths.
  fs::remove(folder_ / "config.json");
  expect_refused(HN_DATA_LOSS, {"heads of 64", "got 48", "config beside the weights"});
  fs::copy(kGolden / "quick/config.json", folder_);
  fs::remove(folder_ / "model.safetensors");
  expect_refused(HN_NOT_FOUND, {"model.safetensors"});
  fs::copy(kGolden / "quick/model.safetensors", folder_);
  fs::remove(folder_ / "vocab.json");
  expect_refused(HN_NOT_FOUND, {"vocab.json"});
  fs::remove_all(folder_);
  expect_refused(HN_NOT_FOUND, {"[option weights] there is no"});
}

TEST_F(ClipFolder, RefusesConfigsItDoesNotKnow) {
  edit_json("config.json", [](auto& j) { j["vision_config"]["hidden_sise"] = 64; });
  expect_refused(HN_DATA_LOSS, {"vision_config", "hidden_sise", "hidden_size"});
  edit_json("config.json", [](auto& j) {
    j["vision_config"].erase("hidden_sise");
    j["text_config"]["hidden_act"] = "swiglu";
  });
  expect_refused(HN_UNSUPPORTED, {"hidden_act", "quick_gelu", "swiglu"});
  edit_json("config.json", [](auto& j) {
    j["text_config"]["hidden_act"] = "quick_gelu";
    j["text_config"]["num_attention_heads"] = 7;
  });
  expect_refused(HN_DATA_LOSS, {"num_attention_heads", "divisor of hidden_size 40"});
  edit_json("config.json", [](auto& j) { j["text_config"]["num_attention_heads"] = "four"; });
  expect_refused(HN_DATA_LOSS, {"num_attention_heads"});
  edit_json("config.json", [](auto& j) { j["model_type"] = "siglip"; });
  expect_refused(HN_UNSUPPORTED, {"model_type", "siglip"});
  std::ofstream(folder_ / "config.json") << "{\"model_type\": ";
  expect_refused(HN_DATA_LOSS, {"config.json"});
}

TEST_F(ClipFolder, RefusesProcessingItCannotDo) {
  edit_json("preprocessor_config.json", [](auto& j) { j["resample"] = 1; });
  expect_refused(HN_UNSUPPORTED, {"resample", "bicubic"});
  edit_json("preprocessor_config.json", [](auto& j) { j["resample"] = 3, j["crop_size"] = 31; });
  expect_refused(HN_UNSUPPORTED, {"32 x 32, got 31 x 31"});
  edit_json("preprocessor_config.json",
            [](auto& j) { j["crop_size"] = 32, j["rescale_factor"] = 1.0; });
  expect_refused(HN_UNSUPPORTED, {"rescale_factor"});
  edit_json("preprocessor_config.json", [](auto& j) {
    j["rescale_factor"] = 1.0 / 255, j["image_std"] = {0.1, 0.0, 0.1};
  });
  expect_refused(HN_DATA_LOSS, {"image_std"});
}

// The oldest files: numbers instead of size objects, *_config_dict beside *_config, the whole of
// PretrainedConfig.
TEST_F(ClipFolder, ReadsOldConfigs) {
  const Tensor image({1, 3, 40, 40}, 0.3f);
  Reward now("clip", {{"weights", folder_.string()}});
  ASSERT_EQ(now.set_prompts({"a dog"}).status, HN_OK);
  const auto want = now.score(image);
  edit_json("preprocessor_config.json", [](auto& j) {
    j["size"] = 32, j["crop_size"] = 32;
    j["feature_extractor_type"] = "CLIPFeatureExtractor";
    j.erase("do_rescale"), j.erase("rescale_factor");
  });
  edit_json("config.json", [](auto& j) {
    j["text_config_dict"] = j["text_config"];
    j["text_config"]["hidden_size"] = 7;
    j["vision_config_dict"] = nullptr;
    j["vision_config"]["top_p"] = 1.0;
  });
  Reward then("clip", {{"weights", folder_.string()}});
  ASSERT_EQ(then.set_prompts({"a dog"}).status, HN_OK);
  EXPECT_EQ(then.score(image), want);
}

TEST_F(ClipFolder, RefusesAForeignTokenizer) {
  edit_json("config.json", [](auto& j) { j["text_config"]["eos_token_id"] = 5; });
  expect_refused(HN_DATA_LOSS, {"ends with id 803, but eos_token_id is 5"});
}

TEST_F(ClipFolder, RefusesOptions) {
  expect_refused(HN_UNSUPPORTED, {"[option dtype]", "int8"}, {{"dtype", "int8"}});
  expect_refused(HN_UNSUPPORTED, {"[option device]", "tpu"}, {{"device", "tpu"}});
  expect_refused(HN_UNSUPPORTED, {"[option device]", "cuda:x"}, {{"device", "cuda:x"}});
  expect_refused(HN_INVALID_ARGUMENT, {"[option preprocess]", "tensor, official", "fast"},
                 {{"preprocess", "fast"}});
  expect_refused(HN_INVALID_ARGUMENT, {"[option output]", "cosine, logit", "loss"},
                 {{"output", "loss"}});
  expect_refused(HN_INVALID_ARGUMENT, {"output"}, {{"output", 1.5}});
}

class ClipCalls : public testing::Test {
 protected:
  ClipCalls() : reward_("clip") {}  // the bundle's own weights
  Outcome forward(Tensor& image, Tensor& score, std::optional<std::size_t> n_cond = {}) {
    return reward_.run({.in = {&image},
                        .out = {&score},
                        .cotangent = {},
                        .grad = {},
                        .accumulate = {},
                        .n_cond = n_cond});
  }
  Reward reward_;
};

TEST_F(ClipCalls, RefusesWrongTensorsAndPromptCounts) {
  ASSERT_EQ(reward_.set_prompts({"a dog", "a cat"}).status, HN_OK);
  Tensor three({3, 3, 8, 8}), out3({3}), two({2, 3, 8, 8}), out2({2});
  Outcome o = forward(three, out3);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("expected 1 prompt or one a sample (3), got 2"));
  o = forward(two, out2, 0);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("got 0"));
  Tensor gray({2, 1, 8, 8}), flat({2, 3, 64}), empty({2, 3, 0, 8});
  for (Tensor* bad : {&gray, &flat}) {
    o = forward(*bad, out2);
    EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
    EXPECT_THAT(o.text, testing::HasSubstr("image_rgb01"));
  }
  o = forward(empty, out2);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("H and W above 0"));
  o = forward(two, out3);
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("score"));
  EXPECT_EQ(forward(two, out2).status, HN_OK);
}

TEST_F(ClipCalls, SharedPromptEqualsOneASample) {
  Tensor image({3, 3, 64, 64});
  for (std::size_t i = 0; i < image.data.size(); ++i)
    image.data[i] = static_cast<float>(i % 97) / 97.0f;
  ASSERT_EQ(reward_.set_prompts({"a red car"}).status, HN_OK);
  const auto shared = reward_.score(image);
  ASSERT_EQ(reward_.set_prompts({"a red car", "a red car", "a red car"}).status, HN_OK);
  // Encoded three at a time the vector differs in its last bits.
  EXPECT_LE(relative_error(reward_.score(image), shared), 1e-6);
}

TEST_F(ClipCalls, EmptyBatch) {
  ASSERT_EQ(reward_.set_prompts({"a dog"}).status, HN_OK);
  const auto [score, gradient] = reward_.score_and_gradient(Tensor({0, 3, 16, 16}));
  EXPECT_TRUE(score.empty());
  EXPECT_TRUE(gradient.empty());
}

TEST_F(ClipCalls, SameCallSameBits) {
  ASSERT_EQ(reward_.set_prompts({"a dog", "a cat"}).status, HN_OK);
  Tensor image({2, 3, 50, 70});
  for (std::size_t i = 0; i < image.data.size(); ++i)
    image.data[i] = static_cast<float>((i * 31) % 101) / 101.0f;
  EXPECT_EQ(reward_.score_and_gradient(image, HN_CALL_DETERMINISTIC),
            reward_.score_and_gradient(image, HN_CALL_DETERMINISTIC));
}

TEST_F(ClipCalls, EmbeddingChecksItsBuffer) {
  ASSERT_EQ(reward_.set_prompts({"a dog"}).status, HN_OK);
  Tensor wrong({3});
  DLTensor view = wrong.view();
  ErrorBuffer error;
  EXPECT_EQ(reward_.cond_table()->embedding(reward_.instance(), reward_.handle(0), kCpuStream,
                                            &view, error.get()),
            HN_INVALID_ARGUMENT);
  EXPECT_THAT(error.text(), testing::HasSubstr("[embedding] expected float32 (128)"));
}

}  // namespace
}  // namespace hn::test
