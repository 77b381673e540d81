// hn/nn/lora: the words of lora.targets and the shapes of adapter matrices, as
// docs/writing_a_generator.md promises them to authors.
#include <hn/nn/lora.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn::test {
namespace {

using Shape = std::vector<std::int64_t>;

const std::vector<LayerInfo> kLayers = {
    {.name = "blocks.0.attn1.to_q", .in = 8, .out = 16},
    {.name = "blocks.0.attn2.to_q", .in = 8, .out = 16},
    {.name = "blocks.0.ff.conv_inverted", .conv = true, .in = 8, .out = 32},
    {.name = "blocks.0.ff.conv_depth",
     .conv = true,
     .in = 32,
     .out = 32,
     .kernel = 3,
     .groups = 32},
    {.name = "blocks.0.conv", .conv = true, .in = 8, .out = 12, .kernel = 3, .groups = 2},
    {.name = "proj_out", .in = 8, .out = 4}};

std::vector<int> chosen(std::vector<std::string> targets) {
  return match_targets(kLayers, targets);
}

TEST(LoraTargets, Words) {
  EXPECT_EQ(chosen({"all-linear"}), (std::vector<int>{0, 1, 5}));
  EXPECT_EQ(chosen({"all-conv"}), (std::vector<int>{2, 4}));  // depthwise ones must be named
  EXPECT_EQ(chosen({"to_q"}), (std::vector<int>{0, 1}));
  EXPECT_EQ(chosen({"attn1.to_q", "proj_out"}), (std::vector<int>{0, 5}));
  EXPECT_EQ(chosen({"blocks.0.attn2.to_q"}), (std::vector<int>{1}));
  EXPECT_EQ(chosen({"conv_depth"}), (std::vector<int>{3}));
  EXPECT_EQ(chosen({"re:.*\\.to_q"}), (std::vector<int>{0, 1}));
  EXPECT_EQ(chosen({"proj_out", "to_q", "to_q"}), (std::vector<int>{0, 1, 5}));  // ascending, once
}

TEST(LoraTargets, WhatMatchesNothingIsNamed) {
  expect_error(HN_INVALID_ARGUMENT,
               {"\"o_q\"", "\"re:to_q\"", "6 layers", "conv_depth, conv_inverted"}, [] {
                 chosen({"to_q", "o_q", "re:to_q"});
               });
}

TEST(LoraShapes, LinearAndConvolution) {
  EXPECT_EQ(lora_a_shape(kLayers[0], 4), (Shape{4, 8}));
  EXPECT_EQ(lora_b_shape(kLayers[0], 4, false), (Shape{16, 4}));
  EXPECT_EQ(lora_a_shape(kLayers[2], 4), (Shape{4, 8, 1, 1}));
  EXPECT_EQ(lora_b_shape(kLayers[2], 4, false), (Shape{32, 4, 1, 1}));
  EXPECT_EQ(lora_a_shape(kLayers[4], 4), (Shape{4, 8, 3, 3}));
  EXPECT_EQ(lora_b_shape(kLayers[4], 4, false), (Shape{12, 2, 1, 1}));  // rank / groups
  EXPECT_EQ(lora_b_shape(kLayers[4], 4, true), (Shape{12, 4, 1, 1}));
  expect_error(HN_INVALID_ARGUMENT, {"blocks.0.conv", "2 groups", "got 3"},
               [] { lora_b_shape(kLayers[4], 3, false); });
}

}  // namespace
}  // namespace hn::test
