// The published checkpoints at full size, without their weights: what the loader asks for is
// exactly what the references' own classes have, name by name and shape by shape.
//
// Lists: tests/golden/clip_rewards/make_lists.py (hpsv2 1.2.0, open_clip 3.3, transformers 5.23).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/nn/clip_model.hpp>

#include "../plugins/rewards/aesthetic/head.hpp"
#include "support/tensor_list.hpp"

namespace hn::test {
namespace {

WeightFiles listed(const std::string& name, const std::vector<ExpectedTensor>& more = {}) {
  auto list = read_tensor_list(std::filesystem::path(HN_SOURCE_DIR) /
                               "tests/golden/clip_rewards/lists" / (name + ".tensors"));
  list.insert(list.end(), more.begin(), more.end());
  std::vector<StridedView> views;
  for (const ExpectedTensor& entry : list)
    views.push_back(
        {entry.name, TensorDtype::kF16, entry.shape, contiguous_strides(entry.shape), nullptr});
  return WeightFiles::listing(std::move(views), name);
}

struct Published {
  const char* list;
  std::int64_t layers, width, heads, intermediate, patch;  // image tower
  std::int64_t text_layers, text_width, text_heads, projection, numbers;
};
std::ostream& operator<<(std::ostream& out, const Published& p) { return out << p.list; }

class FullSize : public testing::TestWithParam<Published> {};

TEST_P(FullSize, LoaderAsksForTheWholeCheckpoint) {
  const Published& want = GetParam();
  const at::NoGradGuard no_grad;
  const WeightFiles list = listed(want.list);
  std::int64_t numbers = 0;
  for (const std::string& name : list.names()) numbers += list.at(name).numel();
  EXPECT_EQ(numbers, want.numbers);
  const ClipFiles files = clip_files_of(list, "/nowhere", {});
  const ClipEncoderConfig &image = files.config.vision.encoder, &text = files.config.text.encoder;
  EXPECT_EQ(image.layers, want.layers);
  EXPECT_EQ(image.width, want.width);
  EXPECT_EQ(image.heads, want.heads);
  EXPECT_EQ(image.intermediate, want.intermediate);
  EXPECT_EQ(files.config.vision.patch_size, want.patch);
  EXPECT_EQ(files.config.vision.image_size, 224);
  EXPECT_EQ(text.layers, want.text_layers);
  EXPECT_EQ(text.width, want.text_width);
  EXPECT_EQ(text.heads, want.text_heads);
  EXPECT_EQ(files.config.text.vocab_size, 49408);
  EXPECT_EQ(files.config.text.max_positions, 77);
  EXPECT_EQ(files.config.projection_dim, want.projection);
  // Its constructor throws for every tensor that is missing, left over or of another shape.
  EXPECT_NO_THROW(ClipModel(files, at::kFloat, at::kMeta));
}

INSTANTIATE_TEST_SUITE_P(
    Checkpoints, FullSize,
    testing::Values(
        Published{"hps", 32, 1280, 16, 5120, 14, 24, 1024, 16, 1024, 986109441},
        Published{"open_clip_ViT-H-14", 32, 1280, 16, 5120, 14, 24, 1024, 16, 1024, 986109441},
        Published{"hf_clip_h14", 32, 1280, 16, 5120, 14, 24, 1024, 16, 1024, 986109441},
        Published{"open_clip_ViT-L-14", 24, 1024, 16, 4096, 14, 12, 768, 12, 768, 427616513},
        Published{"hf_clip_l14", 24, 1024, 16, 4096, 14, 12, 768, 12, 768, 427616513},
        Published{"open_clip_ViT-B-32", 12, 768, 12, 3072, 32, 12, 512, 8, 512, 151277313},
        Published{"open_clip_ViT-g-14", 40, 1408, 16, 6144, 14, 24, 1024, 16, 1024, 1366678273},
        Published{"open_clip_ViT-bigG-14", 48, 1664, 16, 8192, 14, 32, 1280, 20, 1280, 2539567105}),
    [](const testing::TestParamInfo<Published>& param) {
      std::string name = param.param.list;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// Entries of old files that carry no weights.
TEST(FullSizeLists, LeaveOutWhatIsNoWeight) {
  const at::NoGradGuard no_grad;
  const ClipFiles old =
      clip_files_of(listed("hf_clip_l14", {{"text_model.embeddings.position_ids", {1, 77}},
                                           {"vision_model.embeddings.position_ids", {1, 257}}}),
                    "/nowhere", {});
  EXPECT_NO_THROW(ClipModel(old, at::kFloat, at::kMeta));
  const ClipFiles openai = clip_files_of(listed("open_clip_ViT-L-14", {{"input_resolution", {}},
                                                                       {"context_length", {}},
                                                                       {"vocab_size", {}},
                                                                       {"attn_mask", {77, 77}}}),
                                         "/nowhere", {});
  EXPECT_NO_THROW(ClipModel(openai, at::kFloat, at::kMeta));
}

TEST(FullSizeLists, NameWhatDoesNotFit) {
  const at::NoGradGuard no_grad;
  const ClipFiles files = clip_files_of(
      listed("hps", {{"logit_bias", {}}, {"score_head.weight", {1, 5}}}), "/nowhere", {});
  try {
    ClipModel(files, at::kFloat, at::kMeta);
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_DATA_LOSS);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("unexpected (2)"),
                                             testing::HasSubstr("logit_bias"),
                                             testing::HasSubstr("score_head.weight")));
  }
}

TEST(FullSizeLists, AestheticHeadsFitTheTower) {
  const at::NoGradGuard no_grad;
  const at::Tensor unit = at::empty({3, 768}, at::TensorOptions().device(at::kMeta));
  for (const char* name : {"aesthetic_mlp", "aesthetic_linear"})
    EXPECT_EQ(aesthetic::Head(listed(name), 768, at::kMeta).forward(unit).sizes(),
              at::IntArrayRef{3})
        << name;
  EXPECT_THROW(aesthetic::Head(listed("aesthetic_mlp"), 1024, at::kMeta), Error);
  EXPECT_THROW(aesthetic::Head(listed("hps"), 768, at::kMeta), Error);
}

// in_proj becomes three parts, projections are transposed, and each name leads back.
TEST(FullSizeLists, OpenClipNamesLeadBack) {
  const WeightFiles list = listed("open_clip_ViT-B-32");
  const ClipFiles files = clip_files_of(list, "/nowhere", {});
  EXPECT_EQ(files.layout, ClipLayout::kOpenClip);
  for (const std::string& name : files.weights.names())
    EXPECT_NE(list.find(files.weights.spelling(name)), nullptr) << name;
  EXPECT_EQ(files.weights.size(), list.size() + 2 * 2 * 24);
  EXPECT_EQ(files.weights.at("visual_projection.weight").shape,
            (std::vector<std::int64_t>{512, 768}));
  EXPECT_EQ(files.weights.at("visual_projection.weight").strides,
            (std::vector<std::int64_t>{1, 512}));
}

}  // namespace
}  // namespace hn::test
