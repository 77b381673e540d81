#include "config.hpp"

#include <hn/formats/model_config.hpp>

namespace hn::sana {
namespace {

using Ints = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

const Texts kActivations{"silu", "swish", "mish", "gelu", "relu"};

// One text for all stages, or one text a stage; each of them one of `known`, whose first is the
// default.
Texts read_texts(ModelConfig& config, const std::string& key, const Texts& known,
                 std::size_t stages) {
  const nlohmann::json* value = config.object.optional_member(key);
  if (value == nullptr || value->is_string())
    return Texts(stages, config.choice(key, known[0], known));
  auto list = config.object.get<Texts>(key);
  config.require(list.size() == stages, key + ": expected " + std::to_string(stages) +
                                            " entries, got " + std::to_string(list.size()));
  for (const std::string& text : list) config.check_choice(key, text, known);
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
  const auto types = read_texts(r, half + "_block_types", {"ResBlock", "EfficientViTBlock"}, n);
  const auto norms = decoder ? read_texts(r, "decoder_norm_types", {"rms_norm", "batch_norm"}, n)
                             : Texts(n, "rms_norm");
  const auto acts = decoder ? read_texts(r, "decoder_act_fns", kActivations, n) : Texts(n, "silu");

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
  r.read("in_channels", c.in_channels);
  r.require_out_channels(c.in_channels, r.is_null("out_channels") ? c.in_channels : 32);
  r.read("num_attention_heads", c.heads);
  r.read("attention_head_dim", c.head_dim);
  r.read("num_layers", c.layers);
  r.read("num_cross_attention_heads", c.cross_heads);
  r.read("cross_attention_head_dim", c.cross_head_dim);
  r.read("cross_attention_dim", c.cross_dim);
  r.read("caption_channels", c.caption_channels);
  r.read("mlp_ratio", c.mlp_ratio);
  r.read("norm_eps", c.norm_eps);
  r.read("attention_bias", c.attention_bias);
  r.read("norm_elementwise_affine", c.norm_elementwise_affine);
  r.read("sample_size", c.sample_size);
  r.read("patch_size", c.patch_size);
  if (o.has("interpolation_scale")) c.interpolation_scale = o.get<double>("interpolation_scale");
  r.read("guidance_embeds", c.guidance_embeds);
  r.read("guidance_embeds_scale", c.guidance_embeds_scale);
  r.read("timestep_scale", c.timestep_scale);
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
  r.read("in_channels", c.in_channels);
  r.read("latent_channels", c.latent_channels);
  r.read("attention_head_dim", c.head_dim);
  c.encoder = read_half(r, "encoder", {2, 2, 2, 3, 3, 3}, false);
  c.decoder = read_half(r, "decoder", {3, 3, 3, 3, 3, 3}, true);
  c.pixel_unshuffle = r.choice("downsample_block_type", "pixel_unshuffle",
                               {"pixel_unshuffle", "conv"}) == "pixel_unshuffle";
  c.pixel_shuffle = r.choice("upsample_block_type", "pixel_shuffle",
                             {"pixel_shuffle", "interpolate"}) == "pixel_shuffle";
  r.read("encoder_out_shortcut", c.encoder_out_shortcut);
  r.read("decoder_in_shortcut", c.decoder_in_shortcut);
  c.decoder_activation = r.choice("decoder_conv_act_fn", c.decoder_activation, kActivations);
  r.read("scaling_factor", c.scaling_factor);
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
  c.num_train_timesteps = r.train_timesteps();
  r.read("sigma_data", c.sigma_data);
  r.choice("prediction_type", "trigflow", {"trigflow"});
  r.object.finish();
  r.require(c.sigma_data > 0, "sigma_data: expected a number above 0");
  return c;
}

}  // namespace hn::sana
