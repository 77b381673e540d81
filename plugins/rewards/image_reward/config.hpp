// The sizes of an ImageReward model: BERT's from med_config.json, the image encoder's from
// vit_config.json or from the tensors themselves.
//
// Sources: image-reward 1.5 ImageReward/models/BLIP/{med,vit,blip,blip_pretrain}.py; defaults of
// med_config.json are those of transformers' BertConfig.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hn::image_reward {

// A timm vision transformer with a class token and learnt positions.
struct VitConfig {
  std::int64_t image_size = 224;  // pixels, square
  std::int64_t patch_size = 16;
  std::int64_t width = 1024;
  std::int64_t depth = 24;
  std::int64_t heads = 16;
  std::int64_t intermediate = 4096;
  double layer_norm_eps = 1e-6;
};

// BERT with a cross-attention in every layer ("mixture of encoder-decoder").
struct BertConfig {
  std::int64_t vocab_size = 30524;  // bert-base-uncased, [DEC], [ENC]
  std::int64_t width = 768;         // hidden_size
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t intermediate = 3072;
  std::int64_t max_positions = 512;
  std::int64_t pad_token_id = 0;
  double layer_norm_eps = 1e-12;
  std::string activation = "gelu";
};

// The shape that a stored tensor has, nullopt where there is none of that name.
using ShapeOf = std::function<std::optional<std::vector<std::int64_t>>(const std::string&)>;

// `folder`/med_config.json; without the file the published model's sizes. Its encoder_width is not
// used: upstream overwrites it with the image encoder's width (the published file says 768 for a
// ViT of 1024). Errors: HN_DATA_LOSS (types, unknown keys with the nearest known one, heads that do
// not divide the width, no cross-attention, fewer than `positions` positions), HN_UNSUPPORTED
// (relative positions).
BertConfig read_bert_config(const std::filesystem::path& folder, std::int64_t positions);

// Sizes by the tensors: width (cls_token), patch_size (patch_embed.proj.weight), image_size
// (pos_embed), depth, intermediate. Heads are not to be seen there: width / 64, as both of BLIP's
// sizes have it. `folder`/vit_config.json, where it is there, wins for each key that it has:
// image_size, patch_size, width, depth, heads, mlp_ratio, layer_norm_eps. Without the tensors (a
// checkpoint of something else) the published ViT-L/16 is wanted, so that the loader can list what
// is missing. Errors: HN_DATA_LOSS as above, and for a width without a head count.
VitConfig read_vit_config(const std::filesystem::path& folder, const ShapeOf& shape_of);

// Inner widths of the score's MLP, {1024, 128, 64, 16} in the published model: the rows of
// mlp.layers.N.weight for N = 0, 2, 4, 6. (Between them upstream has dropout and no non-linearity.)
std::array<std::int64_t, 4> read_mlp_widths(const ShapeOf& shape_of);

}  // namespace hn::image_reward
