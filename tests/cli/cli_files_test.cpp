// sample and score over files: tensors in and out, pictures, gradients.
#include <cmath>
#include <cstring>
#include <hn/formats/safetensors.hpp>
#include <random>

#include "cli/cli_support.hpp"

namespace {

using hn::SafetensorsFile;
using hn::test::hnhost;
using hn::test::operator+;
using hn::test::Outcome;
using hn::test::TestFolder;
using ::testing::HasSubstr;

struct Numbers {
  std::vector<std::int64_t> shape;
  std::vector<float> data;
};

Numbers load(const std::filesystem::path& file, const std::string& name) {
  const SafetensorsFile opened = SafetensorsFile::open(file);
  const auto& view = opened.at(name);
  Numbers out{view.shape, std::vector<float>(static_cast<std::size_t>(view.numel()))};
  std::memcpy(out.data.data(), view.data, view.nbytes);
  return out;
}

void save(const std::filesystem::path& file, const std::string& name, const Numbers& numbers) {
  const std::vector<hn::TensorToWrite> one = {
      {name, hn::TensorDtype::kF32, numbers.shape, numbers.data.data(), numbers.data.size() * 4}};
  hn::write_safetensors(file, one);
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override { folder_.write("prompts.txt", "a star\nthree lions\n"); }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::vector<std::string> sample(const std::vector<std::string>& more) const {
    return std::vector<std::string>{"sample",    "--prompts", path("prompts.txt"),
                                    "--threads", "1",         "-q"} +
           more;
  }
  std::vector<std::string> score(const std::string& reward,
                                 const std::vector<std::string>& more) const {
    return std::vector<std::string>{"score", "--reward", reward, "--threads", "1", "-q"} + more;
  }
  TestFolder folder_;
};

TEST_F(Files, NoiseRoundTrip) {
  const Outcome first =
      hnhost(sample({"--seed", "5", "--noise-out", path("n"), "--images-out", path("i1"),
                     "--latents-out", path("l1"), "--delta-out", path("d1"), "--json"}));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.json().at("samples"), 2);
  EXPECT_EQ(first.json().at("files").size(), 4u);
  const Numbers noise = load(path("n"), "noise");
  EXPECT_EQ(noise.shape, (std::vector<std::int64_t>{2, 16, 8, 8}));
  EXPECT_EQ(load(path("l1"), "latents").shape, noise.shape);
  const Numbers images = load(path("i1"), "images");
  EXPECT_EQ(images.shape, (std::vector<std::int64_t>{2, 3, 64, 64}));
  for (const float value : images.data) {
    ASSERT_GE(value, 0.0f);
    ASSERT_LE(value, 1.0f);
  }
  // Without an adapter nothing is added to the noise.
  for (const float value : load(path("d1"), "delta").data) ASSERT_EQ(value, 0.0f);

  const Outcome second =
      hnhost(sample({"--noise-in", path("n"), "--images-out", path("i2"), "--seed", "6"}));
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(load(path("i2"), "images").data, images.data);
}

TEST_F(Files, StepNoiseDecidesLaterSteps) {
  ASSERT_EQ(hnhost(sample({"--noise-out", path("n")})).code, 0);
  const Numbers noise = load(path("n"), "noise");
  Numbers step = noise;
  step.shape.insert(step.shape.begin(), 1);
  const auto both = [&](const std::string& file, const Numbers& step_noise) {
    const std::vector<hn::TensorToWrite> all = {
        {"noise", hn::TensorDtype::kF32, noise.shape, noise.data.data(), noise.data.size() * 4},
        {"step_noise", hn::TensorDtype::kF32, step_noise.shape, step_noise.data.data(),
         step_noise.data.size() * 4}};
    hn::write_safetensors(path(file), all);
    const Outcome outcome = hnhost(
        sample({"--steps", "2", "--noise-in", path(file), "--images-out", path(file + ".i")}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return load(path(file + ".i"), "images").data;
  };
  const auto first = both("a", step);
  EXPECT_EQ(both("b", step), first);
  for (float& value : step.data) value = -value;
  EXPECT_NE(both("c", step), first);
}

TEST_F(Files, WrongShapesAreNamed) {
  save(path("n"), "noise", {{2, 16, 9, 8}, std::vector<float>(2 * 16 * 9 * 8)});
  Outcome outcome = hnhost(sample({"--noise-in", path("n"), "--images-out", path("i")}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("(B,16,8,8)"));
  EXPECT_THAT(outcome.err, HasSubstr("(2,16,9,8)"));
  save(path("n"), "noise", {{3, 16, 8, 8}, std::vector<float>(3 * 16 * 8 * 8)});
  outcome = hnhost(sample({"--noise-in", path("n"), "--images-out", path("i")}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("2 prompts"));
  EXPECT_FALSE(std::filesystem::exists(path("i")));
}

TEST_F(Files, SampleMistakes) {
  Outcome outcome = hnhost(sample({}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("nothing would be kept"));
  outcome = hnhost(sample({"--noise-in", path("absent"), "--images-out", path("i")}));
  EXPECT_THAT(outcome.err, HasSubstr("absent"));
  outcome = hnhost(sample({"--adapter", path("absent"), "--images-out", path("i")}));
  EXPECT_THAT(outcome.err, HasSubstr("adapter_model.safetensors"));
  outcome = hnhost(sample({"--images-out", "/no/such/folder/i"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/folder"));
  folder_.write("empty.txt", "\n\n");
  outcome = hnhost({"sample", "--prompts", path("empty.txt"), "--images-out", path("i")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("empty.txt"));
}

TEST_F(Files, PicturesAndTheirScores) {
  ASSERT_EQ(hnhost(sample({"--out-dir", path("p"), "--images-out", path("i")})).code, 0);
  for (const char* name : {"00.png", "01.png", "prompts.jsonl", "sheet.html"})
    EXPECT_TRUE(std::filesystem::exists(folder_.path() / "p" / name));
  const Outcome exact = hnhost(score("redness", {"--images-in", path("i"), "--json"}));
  const Outcome rounded =
      hnhost(score("redness", {"--image", path("p/00.png"), path("p/01.png"), "--json"}));
  ASSERT_EQ(exact.code, 0) << exact.err;
  ASSERT_EQ(rounded.code, 0) << rounded.err;
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(exact.json().at("rewards").at(0).at("scores").at(i).get<double>(),
                rounded.json().at("rewards").at(0).at("scores").at(i).get<double>(), 0.5 / 255);
}

// Along random directions: the gradient's projection against central differences. 2e-2 of the
// gradient's size: scores are float32 and a step of 1e-3 leaves them three digits.
TEST_F(Files, GradientsAgainstFiniteDifferences) {
  ASSERT_EQ(hnhost(sample({"--images-out", path("i")})).code, 0);
  Numbers images = load(path("i"), "images");
  for (float& value : images.data) value = 0.1f + 0.8f * value;  // room on both sides
  save(path("i"), "images", images);
  for (const std::string reward : {"redness", "clip"}) {
    const std::vector<std::string> prompts = {"--prompts", path("prompts.txt")};
    const Outcome outcome = hnhost(
        score(reward, prompts + std::vector<std::string>{"--images-in", path("i"), "--scores-out",
                                                         path("s"), "--grad-out", path("g")}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(load(path("s"), "score").shape, std::vector<std::int64_t>{2});
    const Numbers gradient = load(path("g"), "image_grad");
    ASSERT_EQ(gradient.shape, images.shape);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    Numbers direction = images;
    for (float& value : direction.data) value = normal(random);
    const float step = 1e-3f;
    std::vector<double> slope(2);
    for (const float sign : {1.0f, -1.0f}) {
      Numbers moved = images;
      for (std::size_t i = 0; i < moved.data.size(); ++i)
        moved.data[i] += sign * step * direction.data[i];
      save(path("m"), "images", moved);
      ASSERT_EQ(hnhost(score(reward, prompts + std::vector<std::string>{"--images-in", path("m"),
                                                                        "--scores-out", path("s")}))
                    .code,
                0);
      const Numbers scores = load(path("s"), "score");
      for (std::size_t b = 0; b < 2; ++b) slope[b] += sign * scores.data[b] / (2 * step);
    }
    const std::size_t one = gradient.data.size() / 2;
    for (std::size_t b = 0; b < 2; ++b) {
      double projection = 0, size = 0;
      for (std::size_t i = b * one; i < (b + 1) * one; ++i) {
        projection += static_cast<double>(gradient.data[i]) * direction.data[i];
        size += static_cast<double>(gradient.data[i]) * gradient.data[i];
      }
      EXPECT_NEAR(slope[b], projection, 2e-2 * std::sqrt(size)) << reward << " " << b;
    }
  }
}

TEST_F(Files, ScoreMistakes) {
  save(path("i"), "images", {{1, 3, 64, 64}, std::vector<float>(3 * 64 * 64, 0.5f)});
  Outcome outcome = hnhost(
      score("judge", {"--images-in", path("i"), "--prompt", "a star", "--grad-out", path("g")}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("judge"));
  EXPECT_FALSE(std::filesystem::exists(path("g")));
  outcome = hnhost(score("redness", {"--images-in", path("i"), "--image", "x.png"}));
  EXPECT_THAT(outcome.err, HasSubstr("got both"));
  outcome = hnhost(score("redness", {}));
  EXPECT_THAT(outcome.err, HasSubstr("one of them"));
  outcome = hnhost(score("clip", {"--images-in", path("i"), "--prompts", path("prompts.txt")}));
  EXPECT_THAT(outcome.err, HasSubstr("1 images"));
  outcome = hnhost(score("redness", {"--reward", "clip", "--images-in", path("i"), "--prompt", "a",
                                     "--scores-out", path("s")}));
  EXPECT_THAT(outcome.err, HasSubstr("one reward"));
  outcome = hnhost(score("redness", {"--image", folder_.write("no.png", "no").string()}));
  EXPECT_THAT(outcome.err, HasSubstr("no.png"));
  save(path("flat"), "images", {{3, 64, 64}, std::vector<float>(3 * 64 * 64)});
  outcome = hnhost(score("redness", {"--images-in", path("flat")}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("(3,64,64)"));
}

}  // namespace
