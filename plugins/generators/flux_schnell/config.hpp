// The configurations of a FLUX folder in diffusers layout that only FLUX has.
//
// Source: diffusers 0.42.1, models/transformers/transformer_flux.py and
// schedulers/scheduling_flow_match_euler_discrete.py; every field of the two classes is read,
// defaults are theirs. Errors of both read functions: HN_NOT_FOUND (no file), HN_DATA_LOSS (not
// JSON, wrong types, unknown keys, sizes that do not fit together), HN_UNSUPPORTED (another class,
// a value that this code does not have).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace hn::flux {

struct TransformerConfig {
  std::int64_t in_channels = 64;  // of packed latents: 2 x 2 latents a token
  std::int64_t double_layers = 19, single_layers = 38;
  std::int64_t heads = 24, head_dim = 128;
  std::int64_t text_dim = 4096;   // joint_attention_dim: of the T5 states
  std::int64_t pooled_dim = 768;  // pooled_projection_dim: of CLIP's pooled state
  bool guidance_embeds = false;
  std::array<std::int64_t, 3> rope_dims = {16, 56, 56};  // of a head, for the three coordinates

  std::int64_t width() const { return heads * head_dim; }
  std::int64_t latent_channels() const { return in_channels / 4; }

  static TransformerConfig read(const std::filesystem::path& file);
};

struct SchedulerConfig {
  std::int64_t num_train_timesteps = 1000;
  double shift = 1.0;  // not used with dynamic shifting
  bool dynamic_shifting = false;
  bool linear_shift = false;  // time_shift_type "linear" instead of "exponential"
  double base_shift = 0.5, max_shift = 1.15;
  std::int64_t base_image_seq_len = 256, max_image_seq_len = 4096;
  std::optional<double> shift_terminal;

  static SchedulerConfig read(const std::filesystem::path& file);
};

}  // namespace hn::flux
