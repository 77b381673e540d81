#include <hn/formats/model_config.hpp>
#include <hn/nn/autoencoder_kl_config.hpp>
#include <hn/nn/ops.hpp>

namespace hn {
namespace {

void check_types(ModelConfig& config, const std::string& key, const std::string& type,
                 std::size_t n) {
  const auto types =
      config.object.get_or<std::vector<std::string>>(key, std::vector<std::string>(1, type));
  config.require(types.size() == n, key + ": expected one entry for each of the " +
                                        std::to_string(n) + " block_out_channels, got " +
                                        std::to_string(types.size()));
  for (const auto& got : types)
    if (got != type) config.refuse(key, type, got);
}

// A number, or [height, width] of which the first counts.
std::int64_t read_sample_size(ModelConfig& config, std::int64_t otherwise) {
  const nlohmann::json* value = config.object.optional_member("sample_size");
  if (value == nullptr || value->is_number())
    return config.object.get_or<std::int64_t>("sample_size", otherwise);
  const auto list = config.object.get<std::vector<std::int64_t>>("sample_size");
  config.require(list.size() == 2, "sample_size: expected a number or two of them");
  return list[0];
}

}  // namespace

AutoencoderKLConfig AutoencoderKLConfig::read(const std::filesystem::path& file,
                                              const std::string& model) {
  ModelConfig config(file, model, "AutoencoderKL");
  auto& o = config.object;
  AutoencoderKLConfig c;
  config.only("in_channels", 3);
  config.only("out_channels", 3);
  c.latent_channels = o.get_or("latent_channels", c.latent_channels);
  c.channels = o.get_or("block_out_channels", c.channels);
  c.layers = o.get_or("layers_per_block", c.layers);
  c.groups = o.get_or("norm_num_groups", c.groups);
  c.activation = o.get_or("act_fn", c.activation);
  c.mid_attention = o.get_or("mid_block_add_attention", c.mid_attention);
  c.quant_conv = o.get_or("use_quant_conv", c.quant_conv);
  c.post_quant_conv = o.get_or("use_post_quant_conv", c.post_quant_conv);
  c.scaling_factor = o.get_or("scaling_factor", c.scaling_factor);
  c.has_shift_factor = o.has("shift_factor");
  c.shift_factor = o.get_or("shift_factor", c.shift_factor);
  c.sample_size = read_sample_size(config, c.sample_size);
  config.only("latents_mean", nullptr);
  config.only("latents_std", nullptr);
  // Upstream's pipelines heed it for float16 alone, which is not among the types in memory here.
  o.ignore({"force_upcast"});
  check_types(config, "down_block_types", "DownEncoderBlock2D", c.channels.size());
  check_types(config, "up_block_types", "UpDecoderBlock2D", c.channels.size());
  o.finish();
  find_activation(c.activation, file.string() + ": act_fn");

  config.require(c.latent_channels > 0 && c.layers > 0 && c.groups > 0 && c.scaling_factor > 0 &&
                     c.sample_size > 0,
                 "expected latent_channels, layers_per_block, norm_num_groups, scaling_factor and "
                 "sample_size above 0");
  for (const std::int64_t n : c.channels)
    config.require(n > 0 && n % c.groups == 0,
                   "block_out_channels: expected multiples of norm_num_groups (" +
                       std::to_string(c.groups) + "), got " + std::to_string(n));
  return c;
}

}  // namespace hn
