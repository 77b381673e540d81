// The published SANA-Sprint checkpoints, by the names and shapes that the references' classes give
// them: nothing is missing, nothing is left over, every size agrees. No weights are needed.
// Lists and configurations: tests/golden/sana_sprint/published.py.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model.hpp"
#include "support/tensor_list.hpp"

namespace hn::sana {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(HN_SOURCE_DIR) / "tests/golden/sana_sprint/published";

std::vector<ExpectedTensor> list(const std::string& name) {
  return test::read_tensor_list(kFolder / (name + ".tensors"));
}

WeightMap dry(std::vector<ExpectedTensor> tensors, const std::string& prefix = "") {
  return WeightMap::dry(std::move(tensors), at::kBFloat16, "sana_sprint", prefix);
}

struct Size {
  const char* name;
  std::int64_t numbers;
  std::size_t tensors;
  std::int64_t width;
};

class PublishedTransformer : public testing::TestWithParam<Size> {};

TEST_P(PublishedTransformer, HasEveryTensorByNameAndShape) {
  const Size size = GetParam();
  const auto tensors = list(size.name);
  ASSERT_EQ(tensors.size(), size.tensors);
  EXPECT_EQ(test::count_numbers(tensors), size.numbers);
  const auto config = TransformerConfig::read(kFolder / (std::string(size.name) + ".json"));
  EXPECT_EQ(config.width(), size.width);
  auto weights = dry(tensors);
  Transformer transformer(config, weights);
  weights.finish();
  EXPECT_EQ(weights.requested().size(), size.tensors);
  EXPECT_EQ(test::count_numbers(weights.requested()), size.numbers);
  transformer.prepare();
  // Seven projections and three convolutions a block, and a query of its own for the caption.
  EXPECT_EQ(transformer.layers().size(), static_cast<std::size_t>(config.layers) * 11 + 9);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PublishedTransformer,
                         testing::Values(Size{"transformer_0.6b", 593501216, 664, 1152},
                                         Size{"transformer_1.6b", 1610237472, 480, 2240}),
                         [](const auto& info) {
                           return info.index == 0 ? std::string("small") : std::string("large");
                         });

TEST(Published, AutoencoderHasEveryTensor) {
  const auto tensors = list("vae");
  EXPECT_EQ(test::count_numbers(tensors), 312250275);
  const auto config = VaeConfig::read(kFolder / "vae.json");
  EXPECT_EQ(config.factor(), 32);
  auto weights = dry(tensors);
  const Encoder encoder(config, weights);
  const Decoder decoder(config, weights);
  weights.finish();
  EXPECT_EQ(weights.requested().size(), tensors.size());
}

TEST(Published, TextEncoderHasEveryTensorWithAndWithoutItsPrefix) {
  for (const bool prefixed : {false, true}) {
    auto tensors = list("text_encoder");
    EXPECT_EQ(test::count_numbers(tensors), 2614341888);
    if (prefixed) {
      for (auto& tensor : tensors) tensor.name = "model." + tensor.name;
      tensors.push_back({"lm_head.weight", {256000, 2304}});
    }
    auto weights = dry(tensors, "model.");
    const Gemma2 encoder(Gemma2Config::read(kFolder / "text_encoder.json"), weights);
    weights.finish({"lm_head."});
    EXPECT_EQ(weights.requested().size(), 288u);
  }
}

TEST(Published, ATensorThatIsMissingOrOfAnotherShapeIsNamed) {
  auto tensors = list("transformer_0.6b");
  std::erase_if(
      tensors, [](const auto& t) { return t.name == "transformer_blocks.27.attn2.norm_k.weight"; });
  for (auto& t : tensors)
    if (t.name == "transformer_blocks.3.ff.conv_depth.weight") t.shape = {5760, 5760, 3, 3};
  auto weights = dry(tensors);
  const Transformer transformer(TransformerConfig::read(kFolder / "transformer_0.6b.json"),
                                weights);
  try {
    weights.finish();
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(
        error.what(),
        testing::AllOf(testing::HasSubstr("transformer_blocks.27.attn2.norm_k.weight [1152]"),
                       testing::HasSubstr("transformer_blocks.3.ff.conv_depth.weight: expected "
                                          "[5760,1,3,3], got [5760,5760,3,3]")));
  }
}

}  // namespace
}  // namespace hn::sana
