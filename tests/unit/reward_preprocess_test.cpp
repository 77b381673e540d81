// The way from an image to a tower's pixels, "tensor" and "official", against torchvision, Pillow
// and transformers on sizes from one pixel up. Goldens: tests/golden/preprocess/make.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <zlib.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "plugins/common/torch/clip_model.hpp"

namespace hn {
namespace {

const std::string kGolden =
    std::string(HN_SOURCE_DIR) + "/tests/golden/preprocess/preprocess.json.gz";

nlohmann::json read_golden() {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(kGolden.c_str(), "rb"), gzclose);
  if (!file) throw std::runtime_error("cannot open " + kGolden);
  std::string text;
  std::array<char, 65536> chunk{};
  for (int n = 0; (n = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(n));
  return nlohmann::json::parse(text);
}

// make.py's pixel().
std::uint32_t hash(std::uint32_t seed, std::uint32_t c, std::uint32_t y, std::uint32_t x) {
  std::uint32_t h = (c * 73856093u) ^ (y * 19349663u) ^ (x * 83492791u) ^ seed;
  h ^= h >> 13;
  h *= 0x5BD1E995u;
  return h ^ (h >> 15);
}

template <class Value>
at::Tensor fill(std::int64_t height, std::int64_t width, Value value) {
  at::Tensor t = at::empty({1, 3, height, width}, at::kFloat);
  auto* data = t.data_ptr<float>();
  for (std::uint32_t c = 0; c < 3; ++c)
    for (std::uint32_t y = 0; y < height; ++y)
      for (std::uint32_t x = 0; x < width; ++x) *data++ = value(c, y, x);
  return t;
}

at::Tensor make_image(std::int64_t height, std::int64_t width) {
  return fill(height, width, [](std::uint32_t c, std::uint32_t y, std::uint32_t x) {
    const std::uint32_t h = hash(1, c, y, x);
    std::uint32_t value = (x * 7 + y * 13 + c * 50) % 192 + (h & 63);
    if ((h >> 8) % 5 == 0) value = (h >> 16) & 1 ? 255 : 0;
    return static_cast<float>(value) / 255.0f;
  });
}

at::Tensor make_cotangent(std::int64_t edge) {
  return fill(edge, edge, [](std::uint32_t c, std::uint32_t y, std::uint32_t x) {
    return static_cast<float>(hash(2, c, y, x) & 255) / 255.0f - 0.5f;
  });
}

// The difference from the golden probes, relative to the largest number of the tensor. The last
// probe is the sum: its error may grow with the count's root.
double probe_error(const at::Tensor& t, const nlohmann::json& golden) {
  const at::Tensor flat = t.detach().flatten().to(at::kDouble);
  const double scale = std::max(flat.abs().max().item<double>(), 1e-30);
  const auto want = golden.get<std::vector<double>>();
  double worst = 0;
  for (std::uint32_t i = 0; i + 1 < want.size(); ++i) {
    const std::int64_t place = hash(3, 0, 0, i) % flat.numel();
    worst = std::max(worst, std::abs(flat[place].item<double>() - want[i]));
  }
  const double of_sum = std::abs(flat.sum().item<double>() - want.back()) /
                        std::max(1.0, std::sqrt(static_cast<double>(flat.numel())));
  return std::max(worst, of_sum) / scale;
}

ClipPreprocess square(std::int64_t edge) {
  ClipPreprocess p;
  p.resize_short_edge = edge;
  p.crop_to = {edge, edge};
  p.mean = {0, 0, 0};
  p.std = {1, 1, 1};
  return p;
}

std::uint32_t crc_of_bytes(const at::Tensor& pixels) {
  const at::Tensor bytes = at::round(pixels * 255.0).to(at::kByte).contiguous();
  return static_cast<std::uint32_t>(
      crc32(0, bytes.const_data_ptr<std::uint8_t>(), static_cast<uInt>(bytes.numel())));
}

TEST(Preprocess, EqualsTheReferencesOnEverySize) {
  const nlohmann::json golden = read_golden();
  ASSERT_GE(golden.size(), 40U);
  double forward = 0, backward = 0;
  for (const auto& row : golden) {
    const auto [height, width, edge] = row.at("case").get<std::array<std::int64_t, 3>>();
    SCOPED_TRACE(row.at("case").dump());
    ClipPreprocess preprocess = square(edge);
    at::Tensor image = make_image(height, width).set_requires_grad(true);
    const at::Tensor cotangent = make_cotangent(edge);

    const at::Tensor smooth = clip_pixels(image, preprocess, PreprocessMode::kTensor);
    const at::Tensor grad = torch::autograd::grad({(smooth * cotangent).sum()}, {image})[0];
    EXPECT_LE(probe_error(smooth, row.at("tensor")), 1e-5);
    EXPECT_LE(probe_error(grad, row.at("grad")), 1e-5);
    forward = std::max(forward, probe_error(smooth, row.at("tensor")));
    backward = std::max(backward, probe_error(grad, row.at("grad")));

    EXPECT_EQ(crc_of_bytes(clip_pixels(image.detach(), preprocess, PreprocessMode::kOfficial)),
              row.at("slow").get<std::uint32_t>());
    preprocess.official_crop = CropRounding::kHalfToEven;
    const at::Tensor official = clip_pixels(image, preprocess, PreprocessMode::kOfficial);
    EXPECT_EQ(crc_of_bytes(official.detach()), row.at("pillow").get<std::uint32_t>());
    // Straight-through: with torchvision's crop the gradient is the tensor path's, bit for bit.
    EXPECT_TRUE(at::equal(torch::autograd::grad({(official * cotangent).sum()}, {image})[0], grad));
  }
  std::printf("%zu sizes: tensor path forward %.1e, gradient %.1e; 8-bit path equal\n",
              golden.size(), forward, backward);
}

// The resize is linear, so a difference quotient is exact up to rounding.
TEST(Preprocess, GradientIsTheDifferenceQuotient) {
  for (const auto& [height, width, edge] :
       {std::array<std::int64_t, 3>{9, 14, 6}, {5, 3, 8}, {1, 40, 3}}) {
    ClipPreprocess preprocess = square(edge);
    preprocess.mean = {0.4, 0.5, 0.6};
    preprocess.std = {0.2, 0.3, 0.25};
    at::Tensor image = make_image(height, width).to(at::kDouble).set_requires_grad(true);
    const at::Tensor cotangent = make_cotangent(edge).to(at::kDouble);
    const auto value = [&](const at::Tensor& x) {
      return (clip_pixels(x, preprocess, PreprocessMode::kTensor) * cotangent).sum();
    };
    const at::Tensor grad = torch::autograd::grad({value(image)}, {image})[0].flatten();
    for (const std::int64_t i : {std::int64_t{0}, grad.numel() / 2, grad.numel() - 1}) {
      at::Tensor moved = image.detach().clone();
      moved.view({-1})[i] += 0.5;
      const double up = value(moved).item<double>();
      moved.view({-1})[i] -= 1.0;
      EXPECT_NEAR(up - value(moved).item<double>(), grad[i].item<double>(), 1e-6);
    }
  }
}

// What the elsewhere-than-CPU path does, compared on the CPU: two matrix products of the weights.
TEST(Preprocess, MatrixProductsEqualTheKernel) {
  for (const auto& [height, width, edge] :
       {std::array<std::int64_t, 3>{40, 64, 24}, {7, 9, 30}, {33, 1, 5}}) {
    const at::Tensor image = make_image(height, width);
    const auto [h, w] = short_edge_size(height, width, edge);
    const at::Tensor rows = resize_weights(height, h, ResizeFilter::kBicubic);
    const at::Tensor columns = resize_weights(width, w, ResizeFilter::kBicubic);
    const at::Tensor products = at::matmul(rows, at::matmul(image, columns.t()));
    const at::Tensor kernel = resize_antialias(image, h, w, ResizeFilter::kBicubic);
    EXPECT_LE((products - kernel).abs().max().item<double>(), 1e-5);
  }
}

}  // namespace
}  // namespace hn
