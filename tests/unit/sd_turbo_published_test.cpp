// The published SD-Turbo checkpoint, by the names and shapes that the references' classes give its
// tensors: nothing is missing, nothing is left over, every size agrees. No weights are needed.
// Lists and configurations: tests/golden/sd_turbo/published.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "model.hpp"
#include "support/tensor_list.hpp"

namespace hn::sd {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(HN_SOURCE_DIR) / "tests/golden/sd_turbo/published";

std::vector<ExpectedTensor> list(const std::string& name) {
  return test::read_tensor_list(kFolder / (name + ".tensors"));
}

WeightMap dry(std::vector<ExpectedTensor> tensors, const std::string& prefix = "") {
  return WeightMap::dry(std::move(tensors), at::kBFloat16, "sd_turbo", prefix);
}

TEST(SdPublished, UNetHasEveryTensorByNameAndShape) {
  const auto tensors = list("unet");
  ASSERT_EQ(tensors.size(), 686u);
  EXPECT_EQ(test::count_numbers(tensors), 865910724);
  auto weights = dry(tensors);
  const UNet unet(UNetConfig::read(kFolder / "unet.json"), weights);
  weights.finish();
  EXPECT_EQ(weights.requested().size(), tensors.size());
  // conv_in, conv_out, the time embedding's 2; 22 residual blocks of 3 with 14 shortcuts; 16
  // transformers of 12 layers; 3 samplers each way.
  EXPECT_EQ(unet.layers().size(), 4u + 22 * 3 + 14 + 16 * 12 + 6);
  std::int64_t adapter = 0;  // of rank 1 on every linear layer and conv_out
  for (const auto& layer : unet.layers())
    if (!layer.conv || layer.name == "conv_out")
      adapter += layer.in * layer.kernel * layer.kernel + layer.out;
  EXPECT_EQ(unet.layers()[static_cast<std::size_t>(unet.conv_out_layer())].name, "conv_out");
  RecordProperty("numbers_of_a_rank_1_adapter", std::to_string(adapter));
}

TEST(SdPublished, AutoencoderHasEveryTensor) {
  const auto tensors = list("vae");
  EXPECT_EQ(test::count_numbers(tensors), 83653863);
  const auto config = AutoencoderKLConfig::read(kFolder / "vae.json", "sd_turbo");
  EXPECT_EQ(config.factor(), 8);
  auto weights = dry(tensors);
  const AutoencoderKL vae(config, weights);
  weights.finish();
  EXPECT_EQ(weights.requested().size(), tensors.size());
}

TEST(SdPublished, TextEncoderHasEveryTensorWithAndWithoutItsPrefix) {
  const auto config = parse_clip_text_config(
      nlohmann::json::parse(std::ifstream(kFolder / "text_encoder.json")), "test");
  EXPECT_EQ(config.encoder.activation, ClipActivation::kGelu);
  auto tensors = list("text_encoder");
  EXPECT_EQ(test::count_numbers(tensors), 340387840);
  auto weights = dry(tensors, "text_model.");
  const ClipTextTower tower(config, weights, "");
  weights.finish();
  // As the published file spells them, with the buffer that it carries.
  for (auto& t : tensors) t.name = "text_model." + t.name;
  tensors.push_back({"text_model.embeddings.position_ids", {1, 77}});
  auto published = dry(tensors, "text_model.");
  const ClipTextTower same(config, published, "");
  published.finish();
}

TEST(SdPublished, AForeignTensorIsNamed) {
  auto tensors = list("unet");
  tensors.front().name = "conv_inn.bias";
  auto weights = dry(tensors);
  const UNet unet(UNetConfig::read(kFolder / "unet.json"), weights);
  try {
    weights.finish();
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("conv_in.bias [320]"), std::string::npos) << text;
    EXPECT_NE(text.find("conv_inn.bias"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace hn::sd
