// redness: values, the hand-written derivative, views of every kind, and each error path.
#include <cmath>
#include <random>

#include "unit/reward_support.hpp"

namespace hn::test {
namespace {

Tensor random_image(std::int64_t batch, std::int64_t height, std::int64_t width, unsigned seed) {
  Tensor image({batch, 3, height, width});
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> pixel(0.0f, 1.0f);
  for (float& v : image.data) v = pixel(engine);
  return image;
}

// mean(R) - mean(G + B) / 2, written down once more.
std::vector<double> expected(const Tensor& image) {
  const std::int64_t pixels = image.shape[2] * image.shape[3];
  std::vector<double> scores;
  for (std::int64_t b = 0; b < image.shape[0]; ++b) {
    double mean[3] = {0, 0, 0};
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < pixels; ++i)
        mean[c] +=
            static_cast<double>(image.data[static_cast<std::size_t>((b * 3 + c) * pixels + i)]) /
            pixels;
    scores.push_back(mean[0] - (mean[1] + mean[2]) / 2);
  }
  return scores;
}

TEST(Redness, ScoresPlainColours) {
  Reward reward("redness");
  Tensor image({4, 3, 2, 2});
  const float colours[4][3] = {{1, 0, 0}, {0, 1, 0}, {1, 1, 1}, {0, 0, 1}};
  for (std::size_t b = 0; b < 4; ++b)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 4; ++i) image.data[(b * 3 + c) * 4 + i] = colours[b][c];
  EXPECT_THAT(reward.score(image), testing::ElementsAre(1.0f, -0.5f, 0.0f, -0.5f));
}

TEST(Redness, AnyBatchAndSize) {
  Reward reward("redness");
  for (const auto& [batch, height, width] :
       {std::array<std::int64_t, 3>{0, 4, 4}, {1, 1, 1}, {3, 5, 7}, {2, 64, 64}, {1, 301, 203}}) {
    const Tensor image = random_image(batch, height, width, 3);
    const auto got = reward.score(image);
    const auto want = expected(image);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t b = 0; b < got.size(); ++b) EXPECT_NEAR(got[b], want[b], 1e-7);
  }
}

// The score is linear, so a difference quotient has no truncation error, only the rounding of two
// float32 scores; a step of 1/2 and a small image keep that below the 1e-4 of the gradient's size.
TEST(Redness, GradientEqualsFiniteDifferences) {
  Reward reward("redness");
  const Tensor image = random_image(2, 3, 4, 5);
  Tensor score({2}), cotangent({2}, std::vector<float>{0.75f, -2.0f}), grad(image.shape);
  Tensor input = image;
  ASSERT_EQ(reward
                .run({.in = {&input},
                      .out = {&score},
                      .cotangent = {&cotangent},
                      .grad = {&grad},
                      .accumulate = {},
                      .want_grad = true,
                      .n_cond = {}})
                .status,
            HN_OK);
  for (std::size_t i = 0; i < image.data.size(); ++i) {
    Tensor up = image, down = image;
    up.data[i] += 0.25f;
    down.data[i] -= 0.25f;
    const auto a = reward.score(up), b = reward.score(down);
    const double step = static_cast<double>(up.data[i]) - down.data[i];
    const double quotient =
        (0.75 * (static_cast<double>(a[0]) - b[0]) - 2.0 * (static_cast<double>(a[1]) - b[1])) /
        step;
    EXPECT_NEAR(grad.data[i], quotient, 2e-6) << i;
  }
}

TEST(Redness, ReadsAndWritesThroughAnyStrides) {
  Reward reward("redness");
  const std::int64_t batch = 2, height = 3, width = 5;
  const Tensor image = random_image(batch, height, width, 7);
  const auto [want_score, want_grad] = reward.score_and_gradient(image);

  // Channels last, rows bottom up, seven elements of something else in front.
  constexpr float kGuard = 1e30f;
  Tensor odd({batch, 3, height, width}, 0.0f);
  odd.data.assign(image.data.size() + 14, kGuard);
  odd.strides = {height * width * 3, 1, -width * 3, 3};
  odd.offset = 7 + (height - 1) * width * 3;
  Tensor odd_grad = odd;
  const auto address = [&](std::int64_t b, std::int64_t c, std::int64_t y, std::int64_t x) {
    return static_cast<std::size_t>(odd.offset + b * odd.strides[0] + c * odd.strides[1] +
                                    y * odd.strides[2] + x * odd.strides[3]);
  };
  const auto plain = [&](std::int64_t b, std::int64_t c, std::int64_t y, std::int64_t x) {
    return static_cast<std::size_t>(((b * 3 + c) * height + y) * width + x);
  };
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
          odd.data[address(b, c, y, x)] = image.data[plain(b, c, y, x)];
  const std::vector<float> before = odd.data;

  Tensor score({batch});  // every second element of a longer buffer
  score.data.assign(8, kGuard);
  score.strides = {2};
  score.offset = 3;
  Tensor cotangent({batch}, 1.0f);  // one number for all: stride 0
  cotangent.data.resize(1);
  cotangent.strides = {0};
  ASSERT_EQ(reward
                .run({.in = {&odd},
                      .out = {&score},
                      .cotangent = {&cotangent},
                      .grad = {&odd_grad},
                      .accumulate = {},
                      .want_grad = true,
                      .n_cond = {}})
                .status,
            HN_OK);
  EXPECT_EQ(odd.data, before) << "the input was changed";
  EXPECT_THAT(score.data, testing::ElementsAre(kGuard, kGuard, kGuard, want_score[0], kGuard,
                                               want_score[1], kGuard, kGuard));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
          EXPECT_EQ(odd_grad.data[address(b, c, y, x)], want_grad[plain(b, c, y, x)]);
  EXPECT_EQ(std::count(odd_grad.data.begin(), odd_grad.data.end(), kGuard), 14)
      << "written outside the view";
}

TEST(Redness, AnAddressNeedNotBeAligned) {
  Reward reward("redness");
  const Tensor image = random_image(1, 2, 2, 9);
  std::vector<char> bytes(image.data.size() * sizeof(float) + 1);
  std::memcpy(bytes.data() + 1, image.data.data(), image.data.size() * sizeof(float));
  Tensor shape = image, score({1});
  DLTensor in = shape.view(), out = score.view();
  in.data = bytes.data();
  in.byte_offset = 1;
  const DLTensor *in_p = &in, *out_p = &out;
  hn_call call{};
  call.struct_size = sizeof call;
  call.stream = kCpuStream;
  call.in = &in_p;
  call.out = &out_p;
  call.n_in = call.n_out = 1;
  ASSERT_EQ(reward.table().forward(reward.fn(), &call, nullptr, nullptr), HN_OK);
  EXPECT_EQ(score.data, reward.score(image));
}

TEST(Redness, AccumulateAbsentCotangentAndUnwantedGradient) {
  Reward reward("redness");
  Tensor image = random_image(1, 2, 2, 11), score({1}), cotangent({1}, 2.0f);
  const auto run = [&](Tensor* cot, Tensor* grad, std::vector<std::uint8_t> accumulate) {
    return reward
        .run({.in = {&image},
              .out = {&score},
              .cotangent = {cot},
              .grad = {grad},
              .accumulate = std::move(accumulate),
              .want_grad = true,
              .n_cond = {}})
        .status;
  };
  Tensor grad(image.shape, 10.0f);
  ASSERT_EQ(run(&cotangent, &grad, {1}), HN_OK);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_FLOAT_EQ(grad.data[i], i < 4 ? 10.5f : 9.75f);
  ASSERT_EQ(run(&cotangent, &grad, {0}), HN_OK);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_FLOAT_EQ(grad.data[i], i < 4 ? 0.5f : -0.25f);
  const std::vector<float> kept = grad.data;
  ASSERT_EQ(run(nullptr, &grad, {1}), HN_OK);
  EXPECT_EQ(grad.data, kept) << "zero was added";
  ASSERT_EQ(run(nullptr, &grad, {0}), HN_OK);
  EXPECT_EQ(grad.data, std::vector<float>(12, 0.0f));
  EXPECT_EQ(run(&cotangent, nullptr, {}), HN_OK);
}

TEST(Redness, RefusesWrongTensorsByName) {
  Reward reward("redness");
  Tensor good = random_image(2, 2, 2, 13), score({2});
  const auto refused = [&](Tensor* image, Tensor* out, const char* text) {
    const Outcome o = reward.run(
        {.in = {image}, .out = {out}, .cotangent = {}, .grad = {}, .accumulate = {}, .n_cond = {}});
    EXPECT_EQ(o.status, HN_INVALID_ARGUMENT) << o.text;
    EXPECT_THAT(o.text, testing::HasSubstr(text));
  };
  refused(nullptr, &score, "image_rgb01 is missing");
  refused(&good, nullptr, "score is missing");
  Tensor flat({3, 2, 2}), four({2, 4, 2, 2}), empty({2, 3, 0, 2}), longer({3}),
      negative({2, 3, 2, 2});
  refused(&flat, &score, "image_rgb01 with 4 dimensions, got 3");
  refused(&four, &score, "(B,3,H,W) with H and W above 0, got (2,4,2,2)");
  refused(&empty, &score, "got (2,3,0,2)");
  refused(&good, &longer, "score (2), one number a sample, got (3)");
  negative.shape[2] = -2;
  refused(&negative, &score, "negative size -2 in dimension 2");
  Tensor half = good;
  half.dtype = {kDLFloat, 16, 1};
  refused(&half, &score, "float32");
  Tensor good_grad({2, 3, 2, 3}), ones({2}, 1.0f), three({3}, 1.0f), right({2, 3, 2, 2});
  const auto refused_grad = [&](Tensor* cot, Tensor* grad, const char* text) {
    const Outcome o = reward.run({.in = {&good},
                                  .out = {&score},
                                  .cotangent = {cot},
                                  .grad = {grad},
                                  .accumulate = {},
                                  .want_grad = true,
                                  .n_cond = {}});
    EXPECT_EQ(o.status, HN_INVALID_ARGUMENT) << o.text;
    EXPECT_THAT(o.text, testing::HasSubstr(text));
  };
  refused_grad(&ones, &good_grad, "image's shape (2,3,2,2), got (2,3,2,3)");
  refused_grad(&three, &right, "the cotangent of score (2)");
}

TEST(Redness, RefusesOtherDevicesFlagsAndNames) {
  Reward reward("redness");
  Tensor image = random_image(1, 2, 2, 15), score({1});
  Outcome o = reward.run({.in = {&image},
                          .out = {&score},
                          .cotangent = {},
                          .grad = {},
                          .accumulate = {},
                          .flags = 1u << 12,
                          .n_cond = {}});
  EXPECT_EQ(o.status, HN_UNSUPPORTED);
  EXPECT_THAT(o.text, testing::HasSubstr("unknown call flags 0x1000"));

  DLTensor in = image.view(), out = score.view();
  const DLTensor *in_p = &in, *out_p = &out;
  hn_call call{};
  call.struct_size = sizeof call;
  call.stream = {kDLCUDA, 0, 1};
  call.in = &in_p;
  call.out = &out_p;
  call.n_in = call.n_out = 1;
  ErrorBuffer error;
  EXPECT_EQ(reward.table().forward(reward.fn(), &call, nullptr, error.get()), HN_UNSUPPORTED);
  EXPECT_THAT(error.text(), testing::HasSubstr("CPU only"));
  call.stream = kCpuStream;
  in.device.device_type = kDLCUDA;
  EXPECT_EQ(reward.table().forward(reward.fn(), &call, nullptr, error.get()), HN_UNSUPPORTED);
  EXPECT_THAT(error.text(), testing::HasSubstr("host memory"));
  in.device.device_type = kDLCPU;
  in.strides = nullptr;
  EXPECT_EQ(reward.table().forward(reward.fn(), &call, nullptr, error.get()), HN_INVALID_ARGUMENT);
  call.n_in = 0;
  EXPECT_EQ(reward.table().forward(reward.fn(), &call, nullptr, error.get()), HN_INVALID_ARGUMENT);
  call.struct_size = 8;
  EXPECT_EQ(reward.table().forward(reward.fn(), &call, nullptr, error.get()), HN_INVALID_ARGUMENT);

  hn_fn* other = nullptr;
  EXPECT_EQ(reward.table().open(reward.instance(), str("generate"), nullptr, &other, error.get()),
            HN_NOT_FOUND);
  EXPECT_THAT(error.text(), testing::HasSubstr("expected the function score, got generate"));
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(reward.plugin().get_interface(reward.instance(), HN_COND_V1), nullptr);
  EXPECT_EQ(reward.plugin().get_interface(reward.instance(), "hn.fn/2"), nullptr);
}

TEST(Redness, ChecksItsOptions) {
  Outcome o = Reward::create_outcome("redness", {{"device", "cuda:0"}});
  EXPECT_EQ(o.status, HN_UNSUPPORTED);
  EXPECT_THAT(o.text, testing::HasSubstr("got device cuda:0"));
  o = Reward::create_outcome("redness", {{"dtype", "bfloat16"}});
  EXPECT_EQ(o.status, HN_UNSUPPORTED);
  EXPECT_THAT(o.text, testing::HasSubstr("bfloat16"));
  EXPECT_EQ(Reward::create_outcome("redness", {{"device", true}}).status, HN_INVALID_ARGUMENT);
  EXPECT_EQ(Reward::create_outcome("redness", {{"device", "cpu"}, {"dtype", "float32"}}).status,
            HN_OK);
}

TEST(Redness, DescribesItselfToOlderAndNewerHosts) {
  Reward reward("redness");
  hn_fn_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(reward.table().info(reward.fn(), &info, nullptr), HN_OK);
  EXPECT_EQ(info.n_in, 1u);
  EXPECT_EQ(info.n_out, 1u);
  EXPECT_EQ(info.flags, 0u);
  hn_slot slot{};
  slot.struct_size = sizeof slot;
  ASSERT_EQ(reward.table().slot(reward.fn(), HN_SLOT_INPUT, 0, &slot, nullptr), HN_OK);
  EXPECT_EQ(view(slot.name), "image_rgb01");
  EXPECT_EQ(slot.flags, HN_SLOT_DIFF);
  EXPECT_EQ(slot.shape[0], HN_DIM_BATCH);
  EXPECT_EQ(slot.struct_size, sizeof slot);
  EXPECT_EQ(reward.table().slot(reward.fn(), HN_SLOT_OUTPUT, 1, &slot, nullptr),
            HN_INVALID_ARGUMENT);

  struct {
    hn_fn_info known;
    std::uint64_t later = 77;
  } newer;
  newer.known = {};
  newer.known.struct_size = sizeof newer;
  ASSERT_EQ(reward.table().info(reward.fn(), &newer.known, nullptr), HN_OK);
  EXPECT_EQ(newer.known.n_out, 1u);
  EXPECT_EQ(newer.later, 77u);
  hn_fn_info older{};
  older.struct_size = offsetof(hn_fn_info, n_out);
  older.n_out = 55;
  ASSERT_EQ(reward.table().info(reward.fn(), &older, nullptr), HN_OK);
  EXPECT_EQ(older.n_in, 1u);
  EXPECT_EQ(older.n_out, 55u) << "written past the end of an older struct";
}

TEST(Redness, CutsLongErrorTexts) {
  Reward reward("redness");
  char small[8];
  std::memset(small, '#', sizeof small);
  hn_error error{sizeof error, 0, small, 6, 0};
  hn_fn* other = nullptr;
  EXPECT_EQ(reward.table().open(reward.instance(), str("noise_net"), nullptr, &other, &error),
            HN_NOT_FOUND);
  EXPECT_STREQ(small, "[redn");
  EXPECT_EQ(small[6], '#');
  EXPECT_GT(error.length, 20u);
}

}  // namespace
}  // namespace hn::test
