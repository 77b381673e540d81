#include <ATen/ATen.h>

#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/transformers_keys.hpp>
#include <hn/nn/attention.hpp>
#include <hn/nn/t5_encoder.hpp>

namespace hn {
namespace {

// "gated-gelu" means the tanh form, as transformers' configuration has it for old files. Some files
// also carry what upstream derives from it.
void read_feed_forward(JsonObject& config, T5Config& c) {
  const auto text = config.get_or<std::string>("feed_forward_proj", "relu");
  c.gated = text.starts_with("gated-");
  const std::string name = text == "gated-gelu" ? "gelu_new" : c.gated ? text.substr(6) : text;
  c.activation = name == "gelu_new" ? "gelu_pytorch_tanh" : name;
  find_activation(c.activation, config.where() + ": feed_forward_proj");
  if (config.get_or<std::string>("dense_act_fn", name) != name)
    config.fail("dense_act_fn", name + " of feed_forward_proj " + text);
  if (config.get_or<bool>("is_gated_act", c.gated) != c.gated)
    config.fail("is_gated_act", "what feed_forward_proj " + text + " says");
}

}  // namespace

T5Config T5Config::read(const std::filesystem::path& file) {
  const auto json = read_json_file(file);
  const std::string where = "[t5] " + file.string();
  JsonObject config(json, where);
  const auto type = config.get_or<std::string>("model_type", "t5");
  if (type != "t5") throw Error(HN_UNSUPPORTED, where + ": model_type: expected t5, got " + type);

  T5Config c;
  c.vocab_size = config.get_or("vocab_size", c.vocab_size);
  c.d_model = config.get_or("d_model", c.d_model);
  c.d_kv = config.get_or("d_kv", c.d_kv);
  c.d_ff = config.get_or("d_ff", c.d_ff);
  c.layers = config.get_or("num_layers", c.layers);
  c.heads = config.get_or("num_heads", c.heads);
  c.buckets = config.get_or("relative_attention_num_buckets", c.buckets);
  c.max_distance = config.get_or("relative_attention_max_distance", c.max_distance);
  c.eps = config.get_or("layer_norm_epsilon", c.eps);
  c.pad_token_id = config.get_or("pad_token_id", c.pad_token_id);
  read_feed_forward(config, c);
  ignore_transformers_keys(config);
  // Of the decoder, of training, and of the first files.
  config.ignore({"classifier_dropout", "dropout_rate", "eos_token_id", "n_positions",
                 "num_decoder_layers", "output_past", "scale_decoder_outputs"});
  config.finish();
  for (const std::int64_t size : {c.vocab_size, c.d_model, c.d_kv, c.d_ff, c.layers, c.heads}) {
    if (size < 1)
      throw Error(HN_DATA_LOSS, where +
                                    ": expected vocab_size, d_model, d_kv, d_ff, num_layers and "
                                    "num_heads above 0, got " +
                                    std::to_string(size));
  }
  if (c.buckets < 4 || c.buckets % 2 != 0 || c.max_distance <= c.buckets / 4)
    throw Error(HN_DATA_LOSS, where +
                                  ": relative_attention_num_buckets, "
                                  "relative_attention_max_distance: expected an even number from 4 "
                                  "on and more than a quarter of it, got " +
                                  std::to_string(c.buckets) + " and " +
                                  std::to_string(c.max_distance));
  if (c.pad_token_id < 0 || c.pad_token_id >= c.vocab_size)
    throw Error(HN_DATA_LOSS, where + ": pad_token_id: expected an id below " +
                                  std::to_string(c.vocab_size) + ", got " +
                                  std::to_string(c.pad_token_id));
  return c;
}

at::Tensor t5_position_buckets(std::int64_t length, std::int64_t buckets, std::int64_t max_distance,
                               at::Device device) {
  const std::int64_t half = buckets / 2, exact = half / 2;
  // On the CPU for every device: where a distance stands just at a bucket's edge, a device's
  // logarithm and division may round to the other side.
  const auto position = at::arange(length, at::kLong);
  const auto relative = position.unsqueeze(0) - position.unsqueeze(1);
  const auto distance = relative.abs();
  const double scale = std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  // Half of the buckets are exact, the others grow by a constant factor up to max_distance. At
  // distance 0 the logarithm is not used.
  const auto logarithm =
      at::log(distance.clamp_min(1).to(at::kFloat) / static_cast<double>(exact)) / scale *
      static_cast<double>(half - exact);
  const auto coarse = (logarithm.to(at::kLong) + exact).clamp_max(half - 1);
  const auto buckets_of = at::where(distance < exact, distance, coarse);
  return ((relative > 0).to(at::kLong) * half + buckets_of).to(device);
}

T5Encoder::T5Encoder(const T5Config& config, WeightMap& weights)
    : config_(config), activation_(find_activation(config.activation, "[t5] feed_forward_proj")) {
  const Builder build{weights};
  const std::int64_t d = config.d_model, inner = config.heads * config.d_kv;
  const std::vector<std::int64_t> shape = {config.vocab_size, d};
  const char* shared = "shared.weight";
  const char* own = "encoder.embed_tokens.weight";
  const bool only_own = !weights.contains(shared) && weights.contains(own);
  embedding_ = weights.take(only_own ? own : shared, shape);
  if (!only_own && weights.contains(own)) weights.skip(own);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
    const std::string attention = block + "0.SelfAttention.", dense = block + "1.DenseReluDense.";
    if (i == 0)
      position_bias_ = weights.take(attention + "relative_attention_bias.weight",
                                    {config.buckets, config.heads});
    Layer layer;
    layer.attention_norm = weights.take(block + "0.layer_norm.weight", {d});
    layer.q = Linear(build, attention + "q", d, inner, false);
    layer.k = Linear(build, attention + "k", d, inner, false);
    layer.v = Linear(build, attention + "v", d, inner, false);
    layer.o = Linear(build, attention + "o", inner, d, false);
    layer.feed_forward_norm = weights.take(block + "1.layer_norm.weight", {d});
    layer.in = Linear(build, dense + (config.gated ? "wi_0" : "wi"), d, config.d_ff, false);
    if (config.gated) layer.gate = Linear(build, dense + "wi_1", d, config.d_ff, false);
    layer.out = Linear(build, dense + "wo", config.d_ff, d, false);
    layers_.push_back(std::move(layer));
  }
  norm_ = weights.take("encoder.final_layer_norm.weight", {d});
}

at::Tensor T5Encoder::attention(const Layer& layer, const at::Tensor& x,
                                const at::Tensor& bias) const {
  const auto q = split_heads(layer.q(x), config_.heads), k = split_heads(layer.k(x), config_.heads),
             v = split_heads(layer.v(x), config_.heads);
  // The logits are not scaled: T5's initialisation has the factor in its weights.
  const auto shape = {x.size(0), config_.heads, x.size(1), x.size(1)};
  const auto y = at::scaled_dot_product_attention(q, k, v, bias.expand(shape), /*dropout_p=*/0.0,
                                                  /*is_causal=*/false, /*scale=*/1.0);
  return layer.o(join_heads(y));
}

at::Tensor T5Encoder::operator()(const at::Tensor& ids) const {
  const auto buckets =
      t5_position_buckets(ids.size(1), config_.buckets, config_.max_distance, ids.device());
  const auto bias = at::embedding(position_bias_, buckets).permute({2, 0, 1}).unsqueeze(0);
  auto x = at::embedding(embedding_, ids);
  for (const Layer& layer : layers_) {
    x = x + attention(layer, rms_norm(x, layer.attention_norm, {}, config_.eps), bias);
    const auto y = rms_norm(x, layer.feed_forward_norm, {}, config_.eps);
    auto wide = activation_(layer.in(y));
    if (config_.gated) wide = wide * layer.gate(y);
    x = x + layer.out(wide);
  }
  return rms_norm(x, norm_, {}, config_.eps);
}

}  // namespace hn
