// The published ImageReward.pt: what the loader asks for is exactly what upstream's code saves.
// List: tests/golden/image_reward/shapes.py (image-reward 1.5 on the meta device).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <map>

#include "plugins/rewards/image_reward/model.hpp"
#include "support/tensor_list.hpp"

namespace hn::image_reward {
namespace {

const std::string kList =
    std::string(HN_SOURCE_DIR) + "/tests/golden/image_reward/published.tensors";

WeightMap dry(const std::vector<ExpectedTensor>& list) {
  return WeightMap::dry(list, at::kFloat, "image_reward");
}

ShapeOf shapes_of(const std::vector<ExpectedTensor>& list) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& each : list) shapes[each.name] = each.shape;
  return [shapes](const std::string& name) -> std::optional<std::vector<std::int64_t>> {
    const auto found = shapes.find(name);
    if (found == shapes.end()) return std::nullopt;
    return found->second;
  };
}

TEST(PublishedImageReward, EveryTensorIsAskedForOrKnownToBeUnused) {
  const auto list = test::read_tensor_list(kList);
  ASSERT_EQ(list.size(), 625U);
  EXPECT_EQ(test::count_numbers(list), 446666465);
  const ShapeOf shape_of = shapes_of(list);
  // No file beside the weights: sizes from the tensors, BERT's the published ones.
  const Sizes sizes = {read_vit_config("/nonexistent", shape_of),
                       read_bert_config("/nonexistent", kMaxTokens), read_mlp_widths(shape_of)};
  EXPECT_EQ(sizes.vit.depth, 24);
  EXPECT_EQ(sizes.vit.heads, 16);
  EXPECT_EQ(sizes.vit.image_size, 224);
  EXPECT_EQ(sizes.vit.patch_size, 16);
  EXPECT_EQ(sizes.vit.intermediate, 4096);
  EXPECT_NO_THROW(Model(sizes, dry(list), dry(list)));

  // Not needed: position_ids and the two contrastive projections. Each of the others is: without
  // it the model does not load.
  std::vector<ExpectedTensor> needed;
  for (const auto& each : list)
    if (!each.name.starts_with("blip.vision_proj.") && !each.name.starts_with("blip.text_proj.") &&
        each.name != "blip.text_encoder.embeddings.position_ids")
      needed.push_back(each);
  ASSERT_EQ(needed.size(), 620U);
  EXPECT_NO_THROW(Model(sizes, dry(needed), dry(needed)));
  for (std::size_t i = 0; i < needed.size(); i += 31) {
    std::vector<ExpectedTensor> fewer = needed;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW(Model(sizes, dry(fewer), dry(fewer)), Error) << needed[i].name;
  }
}

TEST(PublishedImageReward, WithoutAnyTensorThePublishedModelIsWanted) {
  const ShapeOf none = [](const std::string&) { return std::nullopt; };
  const Sizes sizes = {read_vit_config("/nonexistent", none),
                       read_bert_config("/nonexistent", kMaxTokens), read_mlp_widths(none)};
  try {
    const Model model(sizes, dry({{"model.layers.0.weight", {2, 2}}}), dry({}));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_DATA_LOSS);
    for (const char* text :
         {"missing (610)", "blip.visual_encoder.blocks.23.attn.qkv.weight [3072,1024]",
          "blip.text_encoder.encoder.layer.11.crossattention.self.key.weight [768,1024]",
          "unexpected (1)", "model.layers.0.weight"})
      EXPECT_THAT(error.what(), testing::HasSubstr(text));
  }
}

TEST(PublishedImageReward, NamesATensorOfTheWrongShapeAndOneTooMany) {
  auto list = test::read_tensor_list(kList);
  const Sizes sizes;
  for (auto& each : list)
    if (each.name == "mlp.layers.2.weight") each.shape = {128, 1000};
  try {
    const Model model(sizes, dry(list), dry(list));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("mlp.layers.2.weight: expected [128,1024], got [128,1000]"));
  }
  list = test::read_tensor_list(kList);
  list.push_back({"blip.image_queue", {256, 57600}});  // BLIP's training code has it: known
  list.push_back({"blip.visual_encoder.dist_token", {1, 1, 1024}});
  try {
    const Model model(sizes, dry(list), dry(list));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("unexpected (1)"));
    EXPECT_THAT(error.what(), testing::HasSubstr("blip.visual_encoder.dist_token"));
  }
}

}  // namespace
}  // namespace hn::image_reward
