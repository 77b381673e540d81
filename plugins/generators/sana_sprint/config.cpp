#include "config.hpp"

#include <hn/formats/model_config.hpp>

namespace hn::sana {
namespace {

using Ints = std::vector<std::int64_t>;

void check_activation(const ModelConfig& config, const std::string& key, const std::string& name) {
  for (const char* known : {"silu", "swish", "mish", "gelu", "relu"})
    if (name == known) return;
  config.refuse(key, "silu, swish, mish, gelu or relu", name);
}

// One text for all stages, or one text a stage.
std::vector<std::string> read_texts(ModelConfig& config, const std::string& key,
                                    const std::string& otherwise, std::size_t stages) {
  const nlohmann::json* value = config.object.optional_member(key);
  if (value == nullptr) return std::vector<std::string>(stages, otherwise);
  if (value->is_string()) return std::vector<std::string>(stages, value->get<std::string>());
  auto list = config.object.get<std::vector<std::string>>(key);
  config.require(list.size() == stages, key + ": expected " + std::to_string(stages) +
                                            " entries, got " + std::to_string(list.size()));
  return list;
}

std::vector<VaeStage> read_half(ModelConfig& r, const std::string& half, const Ints& default_layers,
                                bool decoder) {
  auto& o = r.object;
  const auto channels =
      o.get_or<Ints>(half + "_block_out_channels", {128, 256, 512, 512, 1024, 1024});
  const std::size_t n = channels.size();
  const auto layers = o.get_or<Ints>(half + "_layers_per_block", default_layers);
  r.require(n >= 2 && layers.size() == n,
            half + "_layers_per_block: expected one number for each of at least 2 blocks");
  const auto types = read_texts(r, half + "_block_types", "ResBlock", n);
  const auto norms = decoder ? read_texts(r, "decoder_norm_types", "rms_norm", n)
                             : std::vector<std::string>(n, "rms_norm");
  const auto acts =
      decoder ? read_texts(r, "decoder_act_fns", "silu", n) : std::vector<std::string>(n, "silu");

  std::vector<Ints> scales{{}, {}, {}, {5}, {5}, {5}};
  const std::string scales_key = half + "_qkv_multiscales";
  if (const nlohmann::json* value = o.optional_member(scales_key)) {
    r.require(value->is_array(), scales_key + ": expected a list of lists of integers");
    scales.clear();
    for (const auto& list : *value) {
      r.require(list.is_array(), scales_key + ": expected a list of lists of integers");
      scales.emplace_back();
      for (const auto& kernel : list) {
        r.require(kernel.is_number_integer() && kernel.get<std::int64_t>() > 0 &&
                      kernel.get<std::int64_t>() % 2 == 1,
                  scales_key + ": expected odd kernel sizes, got " + kernel.dump());
        scales.back().push_back(kernel.get<std::int64_t>());
      }
    }
  }
  r.require(scales.size() >= n, scales_key + ": expected " + std::to_string(n) + " lists, got " +
                                    std::to_string(scales.size()));

  std::vector<VaeStage> stages;
  for (std::size_t i = 0; i < n; ++i) {
    if (types[i] != "ResBlock" && types[i] != "EfficientViTBlock")
      r.refuse(half + "_block_types", "ResBlock or EfficientViTBlock", types[i]);
    if (norms[i] != "rms_norm" && norms[i] != "batch_norm")
      r.refuse("decoder_norm_types", "rms_norm or batch_norm", norms[i]);
    check_activation(r, "decoder_act_fns", acts[i]);
    r.require(channels[i] > 0 && layers[i] >= 0,
              half + "_block_out_channels: expected numbers above 0");
    // A middle stage without layers has no resampling block either; upstream then loses a factor of
    // 2 and fails later.
    r.require(
        i == 0 || layers[i] > 0 || (!decoder && i + 1 == n),
        half + "_layers_per_block: expected at least 1 layer in every block but the first, got " +
            std::to_string(layers[i]) + " in block " + std::to_string(i));
    stages.push_back({channels[i], layers[i], types[i] == "EfficientViTBlock", scales[i],
                      norms[i] == "batch_norm", acts[i]});
  }
  return stages;
}

}  // namespace

TransformerConfig TransformerConfig::read(const std::filesystem::path& file) {
  ModelConfig r(file, "sana_sprint", "SanaTransformer2DModel");
  auto& o = r.object;
  TransformerConfig c;
  c.in_channels = o.get_or("in_channels", c.in_channels);
  c.out_channels =
      o.get_or("out_channels", r.is_null("out_channels") ? c.in_channels : c.out_channels);
  c.heads = o.get_or("num_attention_heads", c.heads);
  c.head_dim = o.get_or("attention_head_dim", c.head_dim);
  c.layers = o.get_or("num_layers", c.layers);
  c.cross_heads = o.get_or("num_cross_attention_heads", c.cross_heads);
  c.cross_head_dim = o.get_or("cross_attention_head_dim", c.cross_head_dim);
  c.cross_dim = o.get_or("cross_attention_dim", c.cross_dim);
  c.caption_channels = o.get_or("caption_channels", c.caption_channels);
  c.mlp_ratio = o.get_or("mlp_ratio", c.mlp_ratio);
  c.norm_eps = o.get_or("norm_eps", c.norm_eps);
  c.attention_bias = o.get_or("attention_bias", c.attention_bias);
  c.norm_elementwise_affine = o.get_or("norm_elementwise_affine", c.norm_elementwise_affine);
  c.sample_size = o.get_or("sample_size", c.sample_size);
  c.patch_size = o.get_or("patch_size", c.patch_size);
  if (o.has("interpolation_scale")) c.interpolation_scale = o.get<double>("interpolation_scale");
  c.guidance_embeds = o.get_or("guidance_embeds", c.guidance_embeds);
  c.guidance_embeds_scale = o.get_or("guidance_embeds_scale", c.guidance_embeds_scale);
  c.timestep_scale = o.get_or("timestep_scale", c.timestep_scale);
  const auto norm = o.get_or<std::string>("qk_norm", "");
  if (!norm.empty() && norm != "rms_norm_across_heads")
    r.refuse("qk_norm", "null or rms_norm_across_heads", norm);
  c.qk_norm = !norm.empty();
  o.ignore({"dropout", "interpolation_scale"});
  o.finish();

  r.require(c.layers > 0 && c.heads > 0 && c.head_dim > 0 && c.cross_heads > 0 &&
                c.cross_head_dim > 0 && c.patch_size > 0 && c.in_channels > 0 &&
                c.sample_size >= c.patch_size,
            "expected layers, heads, head dimensions, channels and patch_size above 0 and "
            "sample_size at least patch_size");
  r.require(c.in_channels == c.out_channels, "expected out_channels equal to in_channels (" +
                                                 std::to_string(c.in_channels) + "), got " +
                                                 std::to_string(c.out_channels));
  r.require(c.cross_dim == c.width(),
            "cross_attention_dim: expected the model's width " + std::to_string(c.width()) +
                " (the caption is projected to it), got " + std::to_string(c.cross_dim));
  r.require(!c.interpolation_scale || (*c.interpolation_scale > 0 && c.width() % 4 == 0),
            "interpolation_scale: expected a number above 0 and a width that 4 divides");
  return c;
}

VaeConfig VaeConfig::read(const std::filesystem::path& file) {
  ModelConfig r(file, "sana_sprint", "AutoencoderDC");
  auto& o = r.object;
  VaeConfig c;
  c.in_channels = o.get_or("in_channels", c.in_channels);
  c.latent_channels = o.get_or("latent_channels", c.latent_channels);
  c.head_dim = o.get_or("attention_head_dim", c.head_dim);
  c.encoder = read_half(r, "encoder", {2, 2, 2, 3, 3, 3}, false);
  c.decoder = read_half(r, "decoder", {3, 3, 3, 3, 3, 3}, true);
  const auto down = o.get_or<std::string>("downsample_block_type", "pixel_unshuffle");
  const auto up = o.get_or<std::string>("upsample_block_type", "pixel_shuffle");
  if (down != "pixel_unshuffle" && down != "conv")
    r.refuse("downsample_block_type", "pixel_unshuffle or conv", down);
  if (up != "pixel_shuffle" && up != "interpolate")
    r.refuse("upsample_block_type", "pixel_shuffle or interpolate", up);
  c.pixel_unshuffle = down == "pixel_unshuffle";
  c.pixel_shuffle = up == "pixel_shuffle";
  c.encoder_out_shortcut = o.get_or("encoder_out_shortcut", true);
  c.decoder_in_shortcut = o.get_or("decoder_in_shortcut", true);
  c.decoder_activation = o.get_or("decoder_conv_act_fn", c.decoder_activation);
  check_activation(r, "decoder_conv_act_fn", c.decoder_activation);
  c.scaling_factor = o.get_or("scaling_factor", c.scaling_factor);
  o.finish();

  r.require(c.in_channels == 3, "in_channels: expected 3, got " + std::to_string(c.in_channels));
  r.require(c.encoder.size() == c.decoder.size(),
            "expected as many decoder blocks as encoder blocks");
  r.require(c.latent_channels > 0 && c.head_dim > 0 && c.scaling_factor > 0,
            "expected latent_channels, attention_head_dim and scaling_factor above 0");
  const std::int64_t first = c.encoder.back().channels, last = c.decoder.back().channels;
  r.require(!c.encoder_out_shortcut || first % c.latent_channels == 0,
            "encoder_out_shortcut: the last block's channels are no multiple of latent_channels");
  r.require(!c.decoder_in_shortcut || last % c.latent_channels == 0,
            "decoder_in_shortcut: the last block's channels are no multiple of latent_channels");
  return c;
}

SchedulerConfig SchedulerConfig::read(const std::filesystem::path& file) {
  ModelConfig r(file, "sana_sprint", "SCMScheduler");
  SchedulerConfig c;
  c.num_train_timesteps = r.object.get_or("num_train_timesteps", c.num_train_timesteps);
  c.sigma_data = r.object.get_or("sigma_data", c.sigma_data);
  const auto type = r.object.get_or<std::string>("prediction_type", "trigflow");
  if (type != "trigflow") r.refuse("prediction_type", "trigflow", type);
  r.object.finish();
  r.require(c.sigma_data > 0, "sigma_data: expected a number above 0");
  return c;
}

}  // namespace hn::sana
