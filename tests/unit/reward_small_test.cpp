// The small rewards in plain C: pictures whose score is known, their formulas written down once
// more, and their derivatives number by number. What the ABI asks of them is the contract suite's.
#include <random>

#include "unit/reward_support.hpp"

namespace hn::test {
namespace {

constexpr const char* kNames[] = {"brightness", "colourfulness", "jpeg_size", "noise_penalty",
                                  "palette",    "saturation",    "sharpness", "symmetry"};

Tensor random_image(std::int64_t batch, std::int64_t height, std::int64_t width) {
  Tensor image({batch, 3, height, width});
  std::mt19937 engine(11);
  std::uniform_real_distribution<float> pixel(0.2f, 0.8f);
  for (float& v : image.data) v = pixel(engine);
  return image;
}

// One picture whose planes are red, green and blue of (y, x).
template <class Colour>
Tensor drawn(std::int64_t height, std::int64_t width, const Colour& colour) {
  Tensor image({1, 3, height, width});
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const std::array<float, 3> rgb = colour(y, x);
      for (std::size_t c = 0; c < 3; ++c)
        image.data[(c * static_cast<std::size_t>(height) + static_cast<std::size_t>(y)) *
                       static_cast<std::size_t>(width) +
                   static_cast<std::size_t>(x)] = rgb[c];
    }
  return image;
}

std::array<float, 3> grey(float v) { return {v, v, v}; }

float score_of(const std::string& name, const Tensor& image, const Options& options = {}) {
  return Reward(name, options).score(image).at(0);
}

class SmallReward : public ::testing::TestWithParam<const char*> {};

TEST_P(SmallReward, ScoresEachSampleAlone) {
  Reward reward(GetParam());
  const Tensor both = random_image(2, 9, 13);
  const auto scores = reward.score(both);
  const std::size_t half = both.data.size() / 2;
  const auto middle = both.data.begin() + static_cast<std::ptrdiff_t>(half);
  EXPECT_EQ(scores[0], score_of(GetParam(), Tensor({1, 3, 9, 13}, {both.data.begin(), middle})));
  EXPECT_EQ(scores[1], score_of(GetParam(), Tensor({1, 3, 9, 13}, {middle, both.data.end()})));
}

TEST_P(SmallReward, GradientEqualsFiniteDifferences) {
  Reward reward(GetParam());
  const Tensor image = random_image(1, 5, 6);
  const auto gradient = reward.score_and_gradient(image).second;
  double largest = 0;
  for (const float g : gradient) largest = std::max(largest, std::abs(static_cast<double>(g)));
  ASSERT_GT(largest, 0);
  for (std::size_t i = 0; i < image.data.size(); ++i) {
    Tensor up = image, down = image;
    up.data[i] += 1e-3f;
    down.data[i] -= 1e-3f;
    const double width = static_cast<double>(up.data[i]) - down.data[i];
    const double slope =
        (static_cast<double>(reward.score(up)[0]) - static_cast<double>(reward.score(down)[0])) /
        width;
    EXPECT_NEAR(slope, gradient[i], 0.02 * largest) << i;
  }
}

// The least sizes and even surfaces are where divisions by zero hide.
TEST_P(SmallReward, IsFiniteOnEvenAndTinyPictures) {
  Reward reward(GetParam());
  for (const float v : {0.0f, 0.5f, 1.0f})
    for (const auto& [height, width] :
         {std::array<std::int64_t, 2>{1, 1}, {1, 9}, {2, 2}, {8, 8}}) {
      const auto [scores, gradient] =
          reward.score_and_gradient(drawn(height, width, [&](auto, auto) { return grey(v); }));
      EXPECT_TRUE(std::isfinite(scores[0])) << v << " " << height << "x" << width;
      for (const float g : gradient) ASSERT_TRUE(std::isfinite(g)) << v;
    }
}

INSTANTIATE_TEST_SUITE_P(Each, SmallReward, ::testing::ValuesIn(kNames),
                         [](const auto& param) { return std::string(param.param); });

TEST(Brightness, OfPlainColours) {
  EXPECT_FLOAT_EQ(score_of("brightness", drawn(2, 3, [](auto, auto) { return grey(1); })), 1.0f);
  const auto red = drawn(2, 3, [](auto, auto) { return std::array<float, 3>{1, 0, 0}; });
  EXPECT_FLOAT_EQ(score_of("brightness", red), 0.299f);
}

TEST(Saturation, OfPlainColours) {
  EXPECT_NEAR(score_of("saturation", drawn(2, 3, [](auto, auto) { return grey(0.7f); })), 0, 1e-6);
  const auto half = drawn(2, 2, [](auto, auto) { return std::array<float, 3>{0.8f, 0.4f, 0.5f}; });
  const double mean = 1.7 / 3;
  const double variance =
      (std::pow(0.8 - mean, 2) + std::pow(0.4 - mean, 2) + std::pow(0.5 - mean, 2)) / 3;
  EXPECT_NEAR(score_of("saturation", half), std::sqrt(variance / 2) / (mean + 0.01), 2e-3);
  const auto red = drawn(2, 2, [](auto, auto) { return std::array<float, 3>{1, 0, 0}; });
  EXPECT_NEAR(score_of("saturation", red), 1, 0.04);
}

TEST(Colourfulness, IsHaslersAndSuesstrunks) {
  EXPECT_EQ(score_of("colourfulness", drawn(3, 3, [](auto, auto) { return grey(0.4f); })), 0);
  const Tensor image = random_image(1, 12, 10);
  double sums[4] = {0, 0, 0, 0};
  for (std::size_t i = 0; i < 120; ++i) {
    const double r = image.data[i], g = image.data[120 + i], b = image.data[240 + i];
    const double first = r - g, second = (r + g) / 2 - b;
    sums[0] += first / 120;
    sums[1] += second / 120;
    sums[2] += first * first / 120;
    sums[3] += second * second / 120;
  }
  const double spread = sums[2] - sums[0] * sums[0] + sums[3] - sums[1] * sums[1];
  const double want = std::sqrt(spread) + 0.3 * std::hypot(sums[0], sums[1]);
  EXPECT_NEAR(score_of("colourfulness", image), want, 1.5e-3);  // the soft root's e
}

TEST(Sharpness, OfAChequerboardIsTheMost) {
  const auto board =
      drawn(6, 6, [](auto y, auto x) { return grey((y + x) % 2 == 0 ? 1.0f : 0.0f); });
  EXPECT_NEAR(score_of("sharpness", board), 16.0f, 1e-4);
  EXPECT_NEAR(score_of("sharpness", drawn(6, 6, [](auto, auto x) { return grey(0.125f * x); })), 0,
              1e-12)
      << "a ramp has no Laplacian";
}

TEST(Symmetry, AlongEachAxis) {
  const auto left_black = drawn(4, 4, [](auto, auto x) { return grey(x < 2 ? 0.0f : 1.0f); });
  EXPECT_FLOAT_EQ(score_of("symmetry", left_black), 0.0f);
  EXPECT_FLOAT_EQ(score_of("symmetry", left_black, {{"axis", std::string("horizontal")}}), 1.0f);
  EXPECT_FLOAT_EQ(score_of("symmetry", left_black, {{"axis", std::string("both")}}), 0.5f);
  const Outcome o = Reward::create_outcome("symmetry", {{"axis", std::string("diagonal")}});
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("vertical, horizontal or both, got diagonal"));
}

TEST(Palette, ColoursOfItScoreZero) {
  const Options two = {{"colours", std::vector<std::string>{"#ff0000", "#00FF7f"}}};
  const auto flag = drawn(2, 4, [](auto y, auto) {
    return y == 0 ? std::array<float, 3>{1, 0, 0} : std::array<float, 3>{0, 1, 127.0f / 255};
  });
  EXPECT_NEAR(score_of("palette", flag, two), 0, 1e-12);
  const auto blue = drawn(2, 2, [](auto, auto) { return std::array<float, 3>{0, 0, 1}; });
  EXPECT_NEAR(score_of("palette", blue, two), -(1 + std::pow(128.0 / 255, 2)), 1e-6);
  for (const char* bad : {"ff0000", "#ff00", "#gg0000", ""}) {
    const Outcome o =
        Reward::create_outcome("palette", {{"colours", std::vector<std::string>{bad}}});
    EXPECT_EQ(o.status, HN_INVALID_ARGUMENT) << bad;
    EXPECT_THAT(o.text, testing::HasSubstr("expected colours such as"));
  }
  const Outcome many =
      Reward::create_outcome("palette", {{"colours", std::vector<std::string>(257, "#000000")}});
  EXPECT_THAT(many.text, testing::HasSubstr("at most 256"));
  const Outcome text = Reward::create_outcome("palette", {{"colours", std::string("#000000")}});
  EXPECT_THAT(text.text, testing::HasSubstr("must be a list"));
}

TEST(JpegSize, GrowsWithDetailAndQuality) {
  const auto even = drawn(16, 16, [](auto, auto) { return grey(128.0f / 255); });
  EXPECT_NEAR(score_of("jpeg_size", even), 0, 1e-6) << "128 is the level that JPEG shifts to zero";
  const Tensor noise = random_image(1, 16, 16);
  const auto ramp = drawn(16, 16, [](auto, auto x) { return grey(0.04f * x); });
  EXPECT_LT(score_of("jpeg_size", ramp), score_of("jpeg_size", noise) / 3);
  EXPECT_LT(score_of("jpeg_size", noise, {{"quality", std::int64_t{20}}}),
            score_of("jpeg_size", noise, {{"quality", std::int64_t{95}}}) / 2);
  for (const std::int64_t bad : {0, 101}) {
    const Outcome o = Reward::create_outcome("jpeg_size", {{"quality", bad}});
    EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
    EXPECT_THAT(o.text, testing::HasSubstr("expected quality 1 to 100"));
  }
}

// One coefficient by hand: a picture of the luma's basis function (0, 1) with amplitude a.
TEST(JpegSize, CountsAKnownCoefficient) {
  const double pi = 3.14159265358979323846, amplitude = 0.1;
  const auto wave = drawn(8, 8, [&](auto, auto x) {
    return grey(static_cast<float>(128.0 / 255 + amplitude * std::cos((2 * x + 1) * pi / 16)));
  });
  // Orthonormal basis: the function has norm sqrt(8 * 4), and q = 11 * 50 / 100 rounded = 6.
  const double v = 255 * amplitude * std::sqrt(32.0) / 6;
  EXPECT_NEAR(score_of("jpeg_size", wave), 0.5 * std::log2(1 + v * v) / 64, 1e-5);
}

TEST(NoisePenalty, TellsNoiseFromBlur) {
  // score(target) = -(rho - target)^2, so two targets give rho.
  const auto likeness = [](const Tensor& image) {
    const double zero = score_of("noise_penalty", image, {{"target", 0.0}});
    const double one = score_of("noise_penalty", image, {{"target", 1.0}});
    return (one - zero + 1) / 2;
  };
  const Tensor noise = random_image(1, 32, 32);
  const auto waves = drawn(32, 32, [](auto y, auto x) {
    return grey(0.5f +
                0.2f * std::sin(0.35f * static_cast<float>(x) + 0.2f * static_cast<float>(y)));
  });
  EXPECT_LT(likeness(noise), 0.05);
  EXPECT_GT(likeness(waves), 0.7);
  const auto even = drawn(9, 9, [](auto, auto) { return grey(0.3f); });
  EXPECT_NEAR(score_of("noise_penalty", even), -0.25, 1e-6) << "no detail: rho is 0";
  const Outcome o = Reward::create_outcome("noise_penalty", {{"target", 1.5}});
  EXPECT_EQ(o.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(o.text, testing::HasSubstr("expected target -1 to 1"));
}

}  // namespace
}  // namespace hn::test
