// The configurations of a SANA-Sprint folder in diffusers layout, as the classes of diffusers
// 0.42.1 define them.
//
// Source: diffusers models/transformers/sana_transformer.py, models/autoencoders/autoencoder_dc.py,
// schedulers/scheduling_scm.py. Every field of the three classes is read; defaults are theirs.
// Errors of all read functions: HN_NOT_FOUND (no file), HN_DATA_LOSS (not JSON, another class,
// wrong types, unknown keys, sizes that do not fit together), HN_UNSUPPORTED (a value that this
// code does not have).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hn::sana {

struct TransformerConfig {
  std::int64_t in_channels = 32;  // and out_channels
  std::int64_t heads = 70, head_dim = 32, layers = 20;
  std::int64_t cross_heads = 20, cross_head_dim = 112, cross_dim = 2240, caption_channels = 2304;
  double mlp_ratio = 2.5, norm_eps = 1e-6;
  bool attention_bias = false, norm_elementwise_affine = false;
  std::int64_t sample_size = 32, patch_size = 1;
  std::optional<double> interpolation_scale;  // set: sine-cosine positions are added to the patches
  bool guidance_embeds = false;
  double guidance_embeds_scale = 0.1;
  bool qk_norm = false;         // rms_norm_across_heads
  double timestep_scale = 1.0;  // read and kept; the Sprint pipeline does not use it

  std::int64_t width() const { return heads * head_dim; }

  static TransformerConfig read(const std::filesystem::path& file);
};

// One stage of a DC-AE half, from the finest resolution to the coarsest.
struct VaeStage {
  std::int64_t channels = 0, layers = 0;
  bool efficient_vit = false;             // EfficientViTBlock instead of ResBlock
  std::vector<std::int64_t> multiscales;  // kernel sizes of its extra query-key-value scales
  bool batch_norm = false;                // instead of rms_norm
  std::string activation = "silu";        // of ResBlocks
};

struct VaeConfig {
  std::int64_t in_channels = 3, latent_channels = 32, head_dim = 32;
  std::vector<VaeStage> encoder, decoder;
  bool pixel_unshuffle = true;  // downsampling; false: a convolution of stride 2
  bool pixel_shuffle = true;    // upsampling; false: nearest interpolation, then a convolution
  bool encoder_out_shortcut = true, decoder_in_shortcut = true;
  std::string decoder_activation = "relu";
  double scaling_factor = 1.0;

  // Pixels a latent, in each direction.
  std::int64_t factor() const { return std::int64_t{1} << (encoder.size() - 1); }

  static VaeConfig read(const std::filesystem::path& file);
};

struct SchedulerConfig {
  std::int64_t num_train_timesteps = 1000;
  double sigma_data = 0.5;

  static SchedulerConfig read(const std::filesystem::path& file);
};

}  // namespace hn::sana
