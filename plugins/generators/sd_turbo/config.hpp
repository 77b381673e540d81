// unet/config.json of a Stable Diffusion folder in diffusers layout.
//
// Source: diffusers 0.42.1, models/unets/unet_2d_condition.py; every field of the class is read,
// defaults are theirs. Values of fields that do nothing for the block types below are ignored as
// upstream ignores them (dropout, upcast_attention, resnet_skip_time_act, ...).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hn::sd {

// One resolution, from the finest to the coarsest. An up block has the numbers of the down block at
// its resolution, its own type and its own transformer_layers.
struct UNetStage {
  std::int64_t channels = 0, layers = 2;
  std::int64_t heads = 8;  // attention_head_dim, which upstream means as the number of heads
  std::int64_t cross_dim = 1280;
  std::int64_t down_transformers = 1, up_transformers = 1;  // 0: a plain block
  bool only_cross_attention = false;
};

enum class UNetMid { kNone, kPlain, kCrossAttention };

struct UNetConfig {
  std::int64_t channels = 4;       // in and out
  std::int64_t sample_size = 64;   // height of the latents
  std::int64_t sample_width = 64;  // read and kept; pictures are square unless a size is given
  std::vector<UNetStage> stages;
  UNetMid mid = UNetMid::kCrossAttention;
  std::int64_t mid_transformers = 1;
  double mid_scale = 1;
  bool center_input = false, flip_sin_to_cos = true;
  double freq_shift = 0;
  std::int64_t time_dim = 0;            // of the time embedding
  std::string time_act, time_post_act;  // on the embedding, behind its last layer; "": none
  std::int64_t groups = 32;
  double norm_eps = 1e-5;
  std::string activation = "silu";
  bool linear_projection = false, time_scale_shift = false;
  std::int64_t downsample_padding = 1, conv_in_kernel = 3, conv_out_kernel = 3;

  // Errors: HN_NOT_FOUND (no file), HN_DATA_LOSS (not JSON, unknown keys, wrong types, sizes that
  // do not fit together), HN_UNSUPPORTED (a value that this code does not have, by its key: other
  // block types, class, addition and image embeddings, encoder projections, ...).
  static UNetConfig read(const std::filesystem::path& file);
};

}  // namespace hn::sd
