// The LibTorch blocks behind the rewards, where the ABI does not show them: the judge's logits,
// resizing by matrices, attention by products.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <hn/cpp/error.hpp>
#include <hn/formats/safetensors.hpp>
#include <hn/nn/frozen_linear.hpp>
#include <hn/nn/image_ops.hpp>

#include "plugins/rewards/judge/detector.hpp"
#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;

at::Tensor load(const SafetensorsFile& file, const std::string& name) {
  const TensorView& v = file.at(name);
  return at::from_blob(const_cast<std::byte*>(v.data), v.shape,
                       at::TensorOptions(to_scalar_type(v.dtype)))
      .clone();
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).abs().max() / want.abs().max()).item<double>();
}

TEST(JudgeDetector, LogitsEqualThePythonOriginal) {
  const c10::NoGradGuard no_grad;
  const test::TestFolder folder;
  const SafetensorsFile file = SafetensorsFile::open(test::unzip_into(
      folder.path(), fs::path(HN_SOURCE_DIR) / "tests/golden/judge/golden.safetensors.gz"));
  const judge::Detector detector(
      fs::path(HN_SOURCE_DIR) / "plugins/rewards/judge/weights/judge.safetensors", at::kCPU);
  const at::Tensor image =
      load(file, "image").slice(0, 0, std::nullopt, 6).to(at::kFloat) / 127.5 - 1.0;
  const judge::Logits logits = detector.forward(image);
  EXPECT_LE(relative(logits.objects, load(file, "objects")), 1e-4);
  EXPECT_LE(relative(logits.colours, load(file, "colours")), 1e-4);
  EXPECT_LE(relative(logits.background, load(file, "background")), 1e-4);
}

TEST(FrozenLinear, EqualsLinear) {
  const c10::NoGradGuard no_grad;
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const auto options = at::TensorOptions(dtype);
    const at::Tensor joined = at::randn({60, 24}, options), bias = at::randn({60}, options);
    for (const at::Tensor& x :
         {at::randn({24}, options), at::randn({5, 24}, options), at::randn({2, 7, 24}, options),
          at::randn({7, 2, 24}, options).transpose(0, 1),
          at::randn({3, 7, 24}, options).select(1, 0), at::randn({0, 7, 24}, options)})
      for (const auto& [w, b] : {std::pair{joined, bias}, std::pair{joined, at::Tensor()},
                                 std::pair{joined.narrow(0, 20, 40), bias.narrow(0, 20, 40)}}) {
        const at::Tensor got = frozen_linear(x, w, b), want = at::linear(x, w, b);
        ASSERT_EQ(got.sizes(), want.sizes());
        ASSERT_EQ(got.scalar_type(), dtype);
        if (x.numel() > 0) {
          EXPECT_LE(relative(got, want), dtype == at::kBFloat16 ? 1e-2 : 1e-6) << x.sizes();
        }
      }
  }
}

TEST(FrozenLinear, KeepsTheGraphWhereOneIsWanted) {
  const at::Tensor x = at::randn({5, 24}).requires_grad_(), w = at::randn({60, 24});
  const at::Tensor y = frozen_linear(x, w, at::randn({60}));
  ASSERT_TRUE(y.requires_grad());
  y.sum().backward();
  EXPECT_LE(relative(x.grad(), w.sum(0).expand({5, 24})), 1e-6);
}

// What CUDA devices use, against the kernel that CPUs use.
TEST(ImageOps, ResizeByMatricesEqualsTheKernel) {
  const at::Tensor image = at::rand({2, 3, 37, 53});
  for (const auto filter : {ResizeFilter::kBicubic, ResizeFilter::kBilinear})
    for (const auto& [h, w] : {std::pair{16, 20}, std::pair{37, 20}, std::pair{64, 90},
                               std::pair{20, 90}, std::pair{1, 1}}) {
      const at::Tensor kernel = resize_antialias(image, h, w, filter);
      const at::Tensor matrices = at::matmul(resize_weights(37, h, filter),
                                             at::matmul(image, resize_weights(53, w, filter).t()));
      EXPECT_LE((kernel - matrices).abs().max().item<double>(), 1e-5) << h << " x " << w;
    }
}

TEST(ImageOps, SizesAndCrops) {
  EXPECT_EQ(short_edge_size(57, 40, 38), (std::array<std::int64_t, 2>{54, 38}));
  EXPECT_EQ(short_edge_size(40, 57, 38), (std::array<std::int64_t, 2>{38, 54}));
  const at::Tensor row = at::arange(9, at::kFloat).reshape({1, 1, 1, 9});
  // A margin of 3 halves to 1.5: torchvision takes the even neighbour 2, transformers 1; of 5
  // halves to 2.5: both 2.
  EXPECT_EQ(center_crop(row, 1, 6, CropRounding::kHalfToEven)[0][0][0][0].item<float>(), 2.0f);
  EXPECT_EQ(center_crop(row, 1, 6, CropRounding::kDown)[0][0][0][0].item<float>(), 1.0f);
  EXPECT_EQ(center_crop(row, 1, 4, CropRounding::kHalfToEven)[0][0][0][0].item<float>(), 2.0f);
  EXPECT_EQ(center_crop(row, 1, 12, CropRounding::kHalfToEven).sizes(),
            (at::IntArrayRef{1, 1, 1, 12}));
  EXPECT_EQ(center_crop(row, 1, 12, CropRounding::kHalfToEven)[0][0][0][2].item<float>(), 1.0f);
  EXPECT_EQ(center_crop(row, 1, 12, CropRounding::kDown)[0][0][0][3].item<float>(), 1.0f);
}

TEST(ImageOps, RefusesWhatHasNoMeaning) {
  EXPECT_THROW(resize_antialias(at::rand({1, 3, 0, 4}), 2, 2, ResizeFilter::kBicubic), Error);
  EXPECT_THROW(resize_antialias(at::rand({1, 3, 4, 4}), 0, 2, ResizeFilter::kBicubic), Error);
  EXPECT_THROW(resize_pillow(at::rand({1, 3, 4, 4}), 2, 2, ResizeFilter::kBicubic), Error);
  EXPECT_THROW(center_crop(at::rand({1, 3, 4, 4}), 0, 2, CropRounding::kDown), Error);
  const std::array<double, 3> three = {1, 1, 1};
  EXPECT_THROW(normalize_channels(at::rand({1, 4, 4, 4}), three, three), Error);
}

}  // namespace
}  // namespace hn::test
