#include "config.hpp"

#include <algorithm>
#include <hn/formats/model_config.hpp>
#include <hn/nn/ops.hpp>

namespace hn::sd {
namespace {

using Ints = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

// Whether each block has attention. `kind` is "Down" or "Up".
std::vector<bool> read_types(ModelConfig& config, const std::string& key, const std::string& kind,
                             const Texts& otherwise, std::size_t n) {
  const auto types = config.object.get_or<Texts>(key, otherwise);
  config.require(types.size() == n, key + ": expected one entry for each of the " +
                                        std::to_string(n) + " block_out_channels, got " +
                                        std::to_string(types.size()));
  std::vector<bool> attends;
  const Texts known{"CrossAttn" + kind + "Block2D", kind + "Block2D"};
  for (const auto& type : types) {
    config.check_choice(key, type, known);
    attends.push_back(type == known[0]);
  }
  return attends;
}

UNetMid read_mid(ModelConfig& config) {
  // Present and null means that there is none.
  const nlohmann::json* value = config.object.optional_member("mid_block_type");
  if (value == nullptr)
    return config.is_null("mid_block_type") ? UNetMid::kNone : UNetMid::kCrossAttention;
  const auto type = config.object.get<std::string>("mid_block_type");
  if (type == "UNetMidBlock2DCrossAttn") return UNetMid::kCrossAttention;
  if (type != "UNetMidBlock2D")
    config.refuse("mid_block_type", "UNetMidBlock2DCrossAttn, UNetMidBlock2D or null", type);
  return UNetMid::kPlain;
}

std::vector<bool> read_flags(ModelConfig& config, const std::string& key, std::size_t n) {
  const nlohmann::json* value = config.object.optional_member(key);
  if (value == nullptr || value->is_boolean())
    return std::vector<bool>(n, value != nullptr && value->get<bool>());
  auto flags = config.object.get<std::vector<bool>>(key);
  config.require(flags.size() == n, key + ": expected one value, or " + std::to_string(n) +
                                        " of them, got " + std::to_string(flags.size()));
  return flags;
}

// A side of the latents, or height and width. Upstream has none of its own where the file has none.
void read_sample_size(ModelConfig& config, UNetConfig& c) {
  const nlohmann::json* value = config.object.optional_member("sample_size");
  config.require(value != nullptr, "sample_size: expected a number, got none");
  if (value->is_number()) {
    c.sample_size = c.sample_width = config.object.get<std::int64_t>("sample_size");
    return;
  }
  const auto list = config.object.get<Ints>("sample_size");
  config.require(list.size() == 2, "sample_size: expected a number or two of them");
  c.sample_size = list[0];
  c.sample_width = list[1];
}

// An activation's name, or "" for none.
std::string read_activation(ModelConfig& config, const std::string& key,
                            const std::string& otherwise) {
  auto name = config.object.get_or<std::string>(key, otherwise);
  if (!name.empty()) find_activation(name, config.object.where() + ": " + key);
  return name;
}

// What this code does not have, and what upstream does not use with these block types.
void refuse_the_rest(ModelConfig& config) {
  for (const char* key :
       {"encoder_hid_dim", "encoder_hid_dim_type", "num_attention_heads", "class_embed_type",
        "addition_embed_type", "num_class_embeds", "time_cond_proj_dim"})
    config.only(key, nullptr);
  config.only("dual_cross_attention", false);
  config.only("class_embeddings_concat", false);
  config.only("time_embedding_type", "positional");
  config.only("attention_type", "default");
  config.object.ignore({"dropout", "upcast_attention", "resnet_skip_time_act",
                        "resnet_out_scale_factor", "cross_attention_norm",
                        "addition_time_embed_dim", "addition_embed_type_num_heads",
                        "projection_class_embeddings_input_dim", "mid_block_only_cross_attention"});
}

void check(const ModelConfig& config, const UNetConfig& c) {
  config.require(c.channels > 0 && c.sample_size > 0 && c.groups > 0 && c.time_dim > 0 &&
                     c.norm_eps > 0 && c.mid_scale != 0 && c.downsample_padding >= 0,
                 "expected channels, sample_size, norm_num_groups, norm_eps and time_embedding_dim "
                 "above 0");
  config.require(c.conv_in_kernel % 2 == 1 && c.conv_out_kernel % 2 == 1 && c.conv_in_kernel > 0 &&
                     c.conv_out_kernel > 0,
                 "conv_in_kernel, conv_out_kernel: expected odd numbers, got " +
                     std::to_string(c.conv_in_kernel) + " and " +
                     std::to_string(c.conv_out_kernel));
  config.require(c.downsample_padding <= 1, "downsample_padding: expected 0 or 1, got " +
                                                std::to_string(c.downsample_padding));
  for (const UNetStage& stage : c.stages) {
    const std::string at = "the block of " + std::to_string(stage.channels) + " channels: ";
    config.require(stage.channels > 0 && stage.layers > 0 && stage.heads > 0 && stage.cross_dim > 0,
                   at + "expected layers, heads and cross_attention_dim above 0");
    config.require(stage.channels % c.groups == 0, at + "expected a multiple of norm_num_groups (" +
                                                       std::to_string(c.groups) + ")");
    config.require(
        stage.channels % stage.heads == 0,
        at + "attention_head_dim: expected a divisor, got " + std::to_string(stage.heads));
  }
  config.require(c.stages.front().channels % 2 == 0,
                 "block_out_channels: expected an even first number, got " +
                     std::to_string(c.stages.front().channels));
}

}  // namespace

UNetConfig UNetConfig::read(const std::filesystem::path& file) {
  ModelConfig config(file, "sd_turbo", "UNet2DConditionModel");
  auto& o = config.object;
  UNetConfig c;
  config.read("in_channels", c.channels);
  config.require_out_channels(c.channels, 4);
  read_sample_size(config, c);

  const auto channels = o.get_or<Ints>("block_out_channels", {320, 640, 1280, 1280});
  const std::size_t n = channels.size();
  config.require(n > 0, "block_out_channels: expected at least one block");
  const Texts down(3, "CrossAttnDownBlock2D"), up(3, "CrossAttnUpBlock2D");
  auto all_down = down, all_up = up;
  all_down.push_back("DownBlock2D");
  all_up.insert(all_up.begin(), "UpBlock2D");
  const auto down_attends = read_types(config, "down_block_types", "Down", all_down, n),
             up_attends = read_types(config, "up_block_types", "Up", all_up, n);
  const auto layers = config.per_stage("layers_per_block", 2, n),
             heads = config.per_stage("attention_head_dim", 8, n),
             cross = config.per_stage("cross_attention_dim", 1280, n),
             depth = config.per_stage("transformer_layers_per_block", 1, n);
  auto up_depth = Ints(depth.rbegin(), depth.rend());  // in the order of the up blocks
  if (o.has("reverse_transformer_layers_per_block"))
    up_depth = config.per_stage("reverse_transformer_layers_per_block", 1, n);
  else
    o.ignore({"reverse_transformer_layers_per_block"});
  for (const auto& list : {depth, up_depth})
    for (const std::int64_t number : list)
      config.require(number > 0, "transformer_layers_per_block: expected numbers above 0, got " +
                                     std::to_string(number));
  const auto only_cross = read_flags(config, "only_cross_attention", n);
  for (std::size_t i = 0; i < n; ++i)
    c.stages.push_back({.channels = channels[i],
                        .layers = layers[i],
                        .heads = heads[i],
                        .cross_dim = cross[i],
                        .down_transformers = down_attends[i] ? depth[i] : 0,
                        .up_transformers = up_attends[n - 1 - i] ? up_depth[n - 1 - i] : 0,
                        .only_cross_attention = only_cross[i]});
  c.mid = read_mid(config);
  c.mid_transformers = depth.back();
  config.read("mid_block_scale_factor", c.mid_scale);

  config.read("center_input_sample", c.center_input);
  config.read("flip_sin_to_cos", c.flip_sin_to_cos);
  config.read("freq_shift", c.freq_shift);
  c.time_dim = o.get_or("time_embedding_dim", 4 * channels[0]);
  c.activation = read_activation(config, "act_fn", "silu");
  c.time_act = read_activation(config, "time_embedding_act_fn", "");
  c.time_post_act = read_activation(config, "timestep_post_act", "");
  config.read("norm_num_groups", c.groups);
  config.read("norm_eps", c.norm_eps);
  config.read("use_linear_projection", c.linear_projection);
  c.time_scale_shift = config.choice("resnet_time_scale_shift", "default",
                                     {"default", "scale_shift"}) == "scale_shift";
  config.read("downsample_padding", c.downsample_padding);
  config.read("conv_in_kernel", c.conv_in_kernel);
  config.read("conv_out_kernel", c.conv_out_kernel);
  refuse_the_rest(config);
  o.finish();
  check(config, c);
  return c;
}

}  // namespace hn::sd
