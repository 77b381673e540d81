#include "config.hpp"

#include <hn/formats/model_config.hpp>

namespace hn::flux {
namespace {

using Ints = std::vector<std::int64_t>;

void read_rope_dims(ModelConfig& config, TransformerConfig& c) {
  const auto dims = config.object.get_or<Ints>("axes_dims_rope", {16, 56, 56});
  config.require(dims.size() == c.rope_dims.size(),
                 "axes_dims_rope: expected 3 numbers, got " + std::to_string(dims.size()));
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    config.require(dims[i] > 0 && dims[i] % 2 == 0,
                   "axes_dims_rope: expected even numbers above 0, got " + std::to_string(dims[i]));
    c.rope_dims[i] = dims[i];
    sum += dims[i];
  }
  config.require(sum == c.head_dim, "axes_dims_rope: expected a sum of attention_head_dim (" +
                                        std::to_string(c.head_dim) + "), got " +
                                        std::to_string(sum));
}

}  // namespace

TransformerConfig TransformerConfig::read(const std::filesystem::path& file) {
  ModelConfig config(file, "flux_schnell", "FluxTransformer2DModel");
  auto& o = config.object;
  TransformerConfig c;
  c.in_channels = o.get_or("in_channels", c.in_channels);
  c.double_layers = o.get_or("num_layers", c.double_layers);
  c.single_layers = o.get_or("num_single_layers", c.single_layers);
  c.heads = o.get_or("num_attention_heads", c.heads);
  c.head_dim = o.get_or("attention_head_dim", c.head_dim);
  c.text_dim = o.get_or("joint_attention_dim", c.text_dim);
  c.pooled_dim = o.get_or("pooled_projection_dim", c.pooled_dim);
  c.guidance_embeds = o.get_or("guidance_embeds", c.guidance_embeds);
  // The pipeline makes 2 x 2 patches itself.
  config.only("patch_size", 1);
  const auto out = o.get_or<std::int64_t>("out_channels", c.in_channels);
  config.require(c.double_layers >= 0 && c.single_layers >= 0 &&
                     c.double_layers + c.single_layers > 0 && c.heads > 0 && c.head_dim > 0 &&
                     c.text_dim > 0 && c.pooled_dim > 0,
                 "expected layers, heads and dimensions above 0");
  config.require(c.in_channels > 0 && c.in_channels % 4 == 0,
                 "in_channels: expected a multiple of 4, the size of a packed patch, got " +
                     std::to_string(c.in_channels));
  config.require(out == c.in_channels, "expected out_channels equal to in_channels (" +
                                           std::to_string(c.in_channels) + "), got " +
                                           std::to_string(out));
  read_rope_dims(config, c);
  o.finish();
  return c;
}

SchedulerConfig SchedulerConfig::read(const std::filesystem::path& file) {
  ModelConfig config(file, "flux_schnell", "FlowMatchEulerDiscreteScheduler");
  auto& o = config.object;
  SchedulerConfig c;
  c.num_train_timesteps = o.get_or("num_train_timesteps", c.num_train_timesteps);
  c.shift = o.get_or("shift", c.shift);
  c.dynamic_shifting = o.get_or("use_dynamic_shifting", c.dynamic_shifting);
  c.base_shift = o.get_or("base_shift", c.base_shift);
  c.max_shift = o.get_or("max_shift", c.max_shift);
  c.base_image_seq_len = o.get_or("base_image_seq_len", c.base_image_seq_len);
  c.max_image_seq_len = o.get_or("max_image_seq_len", c.max_image_seq_len);
  // Upstream takes 0 for "none" too.
  const auto terminal = o.get_or("shift_terminal", 0.0);
  if (terminal != 0) c.shift_terminal = terminal;
  const auto type = o.get_or<std::string>("time_shift_type", "exponential");
  if (type != "exponential" && type != "linear")
    config.refuse("time_shift_type", "exponential or linear", type);
  c.linear_shift = type == "linear";
  for (const char* key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
                          "invert_sigmas", "stochastic_sampling", "use_flow_sigmas"})
    config.only(key, false);
  o.finish();
  config.require(c.num_train_timesteps > 0 && c.shift > 0,
                 "expected num_train_timesteps and shift above 0");
  config.require(c.max_image_seq_len > c.base_image_seq_len,
                 "expected max_image_seq_len above base_image_seq_len");
  config.require(!c.shift_terminal || *c.shift_terminal < 1,
                 "shift_terminal: expected a number below 1");
  return c;
}

}  // namespace hn::flux
