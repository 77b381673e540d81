// Golden: tests/golden/core/make.py; tolerance 1e-6 of the largest number.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <hn/formats/safetensors.hpp>

#include "core/optimiser.hpp"

namespace hn::core::test {
namespace {

at::Tensor load(const SafetensorsFile& file, const std::string& name) {
  const TensorView& view = file.at(name);
  const at::Tensor t = at::empty(view.shape, at::kFloat);
  std::memcpy(t.data_ptr(), view.data, view.nbytes);
  return t;
}

void compare(const TrainSpec& train, const char* name) {
  const auto file = SafetensorsFile::open(HN_SOURCE_DIR "/tests/golden/core/optimiser.safetensors");
  const at::Tensor gradients = load(file, "gradients"), expected = load(file, name),
                   norms = load(file, "norms");
  at::Tensor values = load(file, "start");
  OptimiserState state(train, values);
  for (std::int64_t step = 0; step < gradients.size(0); ++step) {
    at::Tensor g = gradients[step].clone();
    EXPECT_NEAR(clip_gradients(g, 1.0), norms[step].item<double>(),
                1e-5 * norms[step].item<double>());
    state.step(values, g, train.lr * std::pow(0.98, static_cast<double>(step)));
    EXPECT_LE((values - expected[step]).abs().max().item<double>(),
              1e-6 * expected[step].abs().max().item<double>())
        << "step " << step;
  }
  EXPECT_EQ(state.updates(), gradients.size(0));
}

TEST(CoreOptimiser, AdamWMatchesPyTorchOverTwentySteps) {
  TrainSpec train;
  train.lr = 1e-2;
  train.weight_decay = 0.05;
  compare(train, "adamw");
}

TEST(CoreOptimiser, SgdMatchesPyTorchOverTwentySteps) {
  TrainSpec train;
  train.optimiser = Optimiser::kSgd;
  train.lr = 5e-2;
  train.weight_decay = 0.02;
  compare(train, "sgd");
}

TEST(CoreOptimiser, ClippingLeavesSmallGradientsAlone) {
  at::Tensor g = at::full({4}, 0.25);
  EXPECT_NEAR(clip_gradients(g, 1.0), 0.5, 1e-7);
  EXPECT_TRUE(at::equal(g, at::full({4}, 0.25)));
  EXPECT_NEAR(clip_gradients(g, 0), 0.5, 1e-7);
  EXPECT_NEAR(clip_gradients(g, 0.1), 0.5, 1e-7);
  EXPECT_NEAR(at::linalg_vector_norm(g).item<double>(), 0.1, 1e-6);
}

#define EXPECT_RATE(got, want) EXPECT_NEAR(got, want, 1e-12)

TEST(CoreOptimiser, RatesWarmUpStayAndFall) {
  TrainSpec t;
  t.lr = 1;
  t.steps = 100;
  t.warmup = 10;
  EXPECT_RATE(learning_rate(t, 1), 0.1);
  EXPECT_RATE(learning_rate(t, 10), 1);
  EXPECT_RATE(learning_rate(t, 100), 1);
  t.schedule = Schedule::kLinear;
  EXPECT_RATE(learning_rate(t, 60), 1);
  EXPECT_RATE(learning_rate(t, 80), 1 - 0.95 / 2);
  EXPECT_RATE(learning_rate(t, 100), 0.05);
  EXPECT_RATE(learning_rate(t, 500), 0.05);
  t.schedule = Schedule::kCosine;
  EXPECT_RATE(learning_rate(t, 80), 1 - 0.95 / 2);
  EXPECT_RATE(learning_rate(t, 100), 0.05);
  EXPECT_GT(learning_rate(t, 70), 1 - 0.95 / 4) << "flat at first";
  t.warmup = 0;
  EXPECT_RATE(learning_rate(t, 1), 1);
  t.decay_from = 1;
  EXPECT_RATE(learning_rate(t, 100), 1);
  EXPECT_RATE(learning_rate(t, 101), 0.05);
}

}  // namespace
}  // namespace hn::core::test
