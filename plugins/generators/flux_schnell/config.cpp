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
  TransformerConfig c;
  config.read("in_channels", c.in_channels);
  config.read("num_layers", c.double_layers);
  config.read("num_single_layers", c.single_layers);
  config.read("num_attention_heads", c.heads);
  config.read("attention_head_dim", c.head_dim);
  config.read("joint_attention_dim", c.text_dim);
  config.read("pooled_projection_dim", c.pooled_dim);
  config.read("guidance_embeds", c.guidance_embeds);
  // The pipeline makes 2 x 2 patches itself.
  config.only("patch_size", 1);
  config.require(c.double_layers >= 0 && c.single_layers >= 0 &&
                     c.double_layers + c.single_layers > 0 && c.heads > 0 && c.head_dim > 0 &&
                     c.text_dim > 0 && c.pooled_dim > 0,
                 "expected layers, heads and dimensions above 0");
  config.require(c.in_channels > 0 && c.in_channels % 4 == 0,
                 "in_channels: expected a multiple of 4, the size of a packed patch, got " +
                     std::to_string(c.in_channels));
  config.require_out_channels(c.in_channels, c.in_channels);
  read_rope_dims(config, c);
  config.object.finish();
  return c;
}

SchedulerConfig SchedulerConfig::read(const std::filesystem::path& file) {
  ModelConfig config(file, "flux_schnell", "FlowMatchEulerDiscreteScheduler");
  SchedulerConfig c;
  c.num_train_timesteps = config.train_timesteps();
  config.read("shift", c.shift);
  config.read("use_dynamic_shifting", c.dynamic_shifting);
  config.read("base_shift", c.base_shift);
  config.read("max_shift", c.max_shift);
  config.read("base_image_seq_len", c.base_image_seq_len);
  config.read("max_image_seq_len", c.max_image_seq_len);
  // Upstream takes 0 for "none" too.
  const auto terminal = config.object.get_or("shift_terminal", 0.0);
  if (terminal != 0) c.shift_terminal = terminal;
  c.linear_shift =
      config.choice("time_shift_type", "exponential", {"exponential", "linear"}) == "linear";
  for (const char* key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
                          "invert_sigmas", "stochastic_sampling", "use_flow_sigmas"})
    config.only(key, false);
  config.object.finish();
  config.require(c.shift > 0, "expected a shift above 0");
  config.require(c.max_image_seq_len > c.base_image_seq_len,
                 "expected max_image_seq_len above base_image_seq_len");
  config.require(!c.shift_terminal || *c.shift_terminal < 1,
                 "shift_terminal: expected a number below 1");
  return c;
}

}  // namespace hn::flux
