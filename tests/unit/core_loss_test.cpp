// Golden: tests/golden/core/make.py; tolerance 1e-6 of the largest number.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <hn/formats/safetensors.hpp>

#include "core/loss.hpp"

namespace hn::core::test {
namespace {

at::Tensor load(const SafetensorsFile& file, const std::string& name) {
  const TensorView& view = file.at(name);
  const at::Tensor t =
      at::empty(view.shape, view.dtype == TensorDtype::kF64 ? at::kDouble : at::kFloat);
  std::memcpy(t.data_ptr(), view.data, view.nbytes);
  return t;
}

class CoreLoss : public ::testing::TestWithParam<std::pair<Regulariser, const char*>> {};

TEST_P(CoreLoss, RegulariserMatchesPyTorch) {
  const auto [kind, name] = GetParam();
  const auto file =
      SafetensorsFile::open(HN_SOURCE_DIR "/tests/golden/core/regulariser.safetensors");
  const at::Tensor x0 = load(file, "x0"), delta = load(file, "delta");
  const at::Tensor value = load(file, std::string(name) + ".value"),
                   gradient = load(file, std::string(name) + ".gradient");
  at::Tensor got = at::ones_like(delta);
  const RegulariserTerms terms = regulariser(kind, 1.7, x0, delta, 1.0 / 3, got);
  EXPECT_TRUE(at::allclose(terms.value, value, 1e-6, 1e-6 * value.abs().max().item<double>()))
      << terms.value << value;
  EXPECT_TRUE(at::allclose(got - 1, gradient, 1e-5, 1e-6))
      << "the gradient is added to what is there";
  EXPECT_TRUE(
      at::allclose(terms.half_square, delta.to(at::kDouble).pow(2).flatten(1).sum(1) / 2, 1e-7, 0));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CoreLoss,
                         ::testing::Values(std::pair(Regulariser::kMean, "mean"),
                                           std::pair(Regulariser::kPaper, "paper"),
                                           std::pair(Regulariser::kNorm, "norm")),
                         [](const auto& info) { return std::string(info.param.second); });

TEST(CoreLossScore, IsTheUpstreamForm) {
  RewardSpec reward;
  reward.weight = 5;
  reward.loss_target = 2;
  reward.loss_scale = 0.5;
  EXPECT_DOUBLE_EQ(score_loss(reward, 3), 5 * (2 - 0.5 * 3));
  EXPECT_DOUBLE_EQ(score_gradient(reward), score_loss(reward, 1) - score_loss(reward, 0));
}

}  // namespace
}  // namespace hn::core::test
