// The way from an image to a tower's pixels, "tensor" and "official", against torchvision, Pillow
// and transformers on sizes from one pixel up. Goldens: tests/golden/preprocess/make.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <zlib.h>

#include <array>
#include <hn/nn/clip_model.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

nlohmann::json read_golden(const std::string& name = "preprocess.json.gz") {
  return nlohmann::json::parse(
      test::unzip(std::string(HN_SOURCE_DIR) + "/tests/golden/preprocess/" + name));
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

ClipVisionConfig tower(std::int64_t size) {
  ClipVisionConfig vision;
  vision.image_size = size;
  return vision;
}

// Goldens: tests/golden/preprocess/make_configs.py.
TEST(PreprocessConfig, GivesTransformersPixels) {
  const nlohmann::json golden = read_golden("configs.json.gz");
  ASSERT_GE(golden.size(), 50U);
  std::size_t number = 0;
  for (const auto& row : golden) {
    SCOPED_TRACE(row.at("config").dump());
    const test::TestFolder folder;
    if (++number % 2 == 0) {
      folder.write("preprocessor_config.json", row.at("config").dump());
    } else {
      const nlohmann::json whole = {{"image_processor", row.at("config")},
                                    {"processor_class", "CLIPProcessor"}};
      folder.write("processor_config.json", whole.dump());
      folder.write("preprocessor_config.json", R"({"image_mean": [9, 9, 9]})");
    }
    const auto preprocess = read_clip_preprocess(folder.path(), tower(row.at("size")));
    ASSERT_TRUE(preprocess.has_value());
    const auto [height, width] = row.at("picture").get<std::array<std::int64_t, 2>>();
    const at::Tensor pixels =
        clip_pixels(make_image(height, width), *preprocess, PreprocessMode::kOfficial);
    // A byte that is off by one is off by more than 1e-3; the sum of all may be by 1.4e-5.
    EXPECT_LE(probe_error(pixels, row.at("pixels")), 1e-4);
  }
}

TEST(PreprocessConfig, ReadsTheFileThatUpstreamReads) {
  const test::TestFolder folder;
  EXPECT_FALSE(read_clip_preprocess(folder.path(), tower(224)).has_value());
  folder.write("preprocessor_config.json", R"({"image_mean": 0.25, "image_std": [0.5, 0.5, 1]})");
  // An older processor's file says nothing about pictures.
  folder.write("processor_config.json", R"({"processor_class": "CLIPProcessor"})");
  const auto read = read_clip_preprocess(folder.path(), tower(224));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->mean, (std::array<double, 3>{0.25, 0.25, 0.25}));
  EXPECT_EQ(read->std, (std::array<double, 3>{0.5, 0.5, 1}));
}

TEST(PreprocessConfig, RefusesByFileAndKey) {
  struct Bad {
    const char* config;
    hn_status code;
    std::vector<std::string> says;
  };
  for (
      const Bad& bad : std::vector<Bad>{
          {R"({"image_processor_type": "SiglipImageProcessor"})",
           HN_UNSUPPORTED,
           {"image_processor_type: expected CLIPImageProcessor, got SiglipImageProcessor"}},
          {R"({"feature_extractor_type": "ViTFeatureExtractor"})", HN_UNSUPPORTED, {"ViT"}},
          {R"({"resample": 1})", HN_UNSUPPORTED, {"resample", "2 (bilinear) or 3 (bicubic)"}},
          {R"({"do_center_crop": false})", HN_UNSUPPORTED, {"do_center_crop", "224 x 224"}},
          {R"({"do_center_crop": false, "do_resize": false, "size": {"height": 224, "width": 224}})",
           HN_UNSUPPORTED,
           {"do_center_crop"}},
          {R"({"size": {"shortest_edge": 224, "longest_edge": 300}})",
           HN_DATA_LOSS,
           {"size", "longest_edge"}},
          {R"({"size": [224]})", HN_DATA_LOSS, {"size", "a height and a width"}},
          {R"({"size": 0})", HN_DATA_LOSS, {"size", "1 to 16384"}},
          {R"({"crop_size": {"shortest_edge": 224}})", HN_UNSUPPORTED, {"crop_size"}},
          {R"({"crop_size": {"height": 224}})", HN_DATA_LOSS, {"crop_size", "width"}},
          {R"({"crop_size": 200})", HN_UNSUPPORTED, {"224 x 224, got 200 x 200"}},
          {R"({"do_pad": true})", HN_UNSUPPORTED, {"do_pad"}},
          {R"({"use_square_size": true})", HN_UNSUPPORTED, {"use_square_size"}},
          {R"({"do_rescale": false})", HN_UNSUPPORTED, {"do_rescale"}},
          {R"({"rescale_factor": 0.5})", HN_UNSUPPORTED, {"rescale_factor: expected 1/255"}},
          {R"({"image_mean": [0.5]})", HN_DATA_LOSS, {"image_mean: expected three numbers"}},
          {R"({"image_mean": [0.5, 1e300, 0.5]})", HN_DATA_LOSS, {"image_mean", "a million"}},
          {R"({"size": 1099511627776})", HN_DATA_LOSS, {"size: expected a size of 1 to 16384"}},
          {R"({"image_std": [0.5, 0.5, 0.5, 0.5]})", HN_DATA_LOSS, {"image_std"}},
          {R"({"image_std": 0})", HN_DATA_LOSS, {"image_std", "above 0"}},
          {R"({"do_flip_channel_order": true})", HN_DATA_LOSS, {"do_flip_channel_order"}}}) {
    SCOPED_TRACE(bad.config);
    const test::TestFolder folder;
    auto says = bad.says;
    folder.write("preprocessor_config.json", bad.config);
    says.emplace_back("preprocessor_config.json");
    test::expect_error(bad.code, says, [&] { read_clip_preprocess(folder.path(), tower(224)); });
    folder.write("processor_config.json",
                 R"({"image_processor": )" + std::string(bad.config) + "}");
    says.back() = "/processor_config.json: image_processor";
    test::expect_error(bad.code, says, [&] { read_clip_preprocess(folder.path(), tower(224)); });
  }
}

}  // namespace
}  // namespace hn
