// vae/config.json of an AutoencoderKL, as Stable Diffusion and FLUX have it.
//
// Source: diffusers 0.42.1, models/autoencoders/autoencoder_kl.py; defaults are theirs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hn {

struct AutoencoderKLConfig {
  std::int64_t latent_channels = 4;
  std::vector<std::int64_t> channels{64};  // block_out_channels, finest resolution first
  std::int64_t layers = 1;          // layers_per_block: of the encoder; the decoder has one more
  std::int64_t groups = 32;         // norm_num_groups
  std::string activation = "silu";  // of the residual blocks
  bool mid_attention = true;        // mid_block_add_attention
  bool quant_conv = true, post_quant_conv = true;
  double scaling_factor = 0.18215;  // unit-variance latent = (latent - shift) * scaling
  double shift_factor = 0;
  bool has_shift_factor = false;  // the file says it
  std::int64_t sample_size = 32;  // pixels that it was trained at

  // Pixels a latent, in each direction.
  std::int64_t factor() const { return std::int64_t{1} << (channels.size() - 1); }

  // `model` begins the messages: "[model] file: ...". HN_NOT_FOUND, HN_DATA_LOSS (not JSON, unknown
  // keys, sizes that do not fit together), HN_UNSUPPORTED (another class, block types other than
  // DownEncoderBlock2D and UpDecoderBlock2D, latents_mean and latents_std).
  static AutoencoderKLConfig read(const std::filesystem::path& file, const std::string& model);
};

}  // namespace hn
