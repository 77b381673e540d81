#include <ATen/ATen.h>

#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/transformers_keys.hpp>
#include <hn/nn/gemma2.hpp>

namespace hn {
namespace {

at::Tensor gemma_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.to(accumulate_type(x.scalar_type()));
  const auto normed = wide * (wide.square().mean(-1, true) + eps).rsqrt();
  return (normed * (weight.to(wide.scalar_type()) + 1.0)).to(x.scalar_type());
}

// x: [B, heads, L, d]; the halves of d are the two coordinates of each rotated plane.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  return x * cos + at::cat({-halves[1], halves[0]}, -1) * sin;
}

// 0 where query i may see key j, the dtype's lowest value elsewhere. window 0: all earlier keys.
at::Tensor causal_mask(std::int64_t length, std::int64_t window, at::TensorOptions options) {
  const auto position = at::arange(length, options.dtype(at::kLong));
  const auto distance = position.unsqueeze(1) - position.unsqueeze(0);
  auto hidden = distance < 0;
  if (window > 0) hidden = hidden | (distance >= window);
  return at::zeros({length, length}, options).masked_fill(hidden, -1e30);
}

double read_rope_theta(JsonObject& config, const std::string& where) {
  const auto scaling = config.optional_member("rope_scaling");
  if (scaling != nullptr)
    throw Error(HN_UNSUPPORTED, where + ": rope_scaling: expected null, got " + scaling->dump());
  const double old_style = config.get_or<double>("rope_theta", 10000.0);
  if (config.optional_member("rope_parameters") == nullptr) return old_style;
  auto rope = config.object("rope_parameters");
  const auto type = rope.get_or<std::string>("rope_type", "default");
  if (type != "default")
    throw Error(HN_UNSUPPORTED,
                where + ": rope_parameters.rope_type: expected default, got " + type);
  const double theta = rope.get_or<double>("rope_theta", old_style);
  rope.finish();
  return theta;
}

}  // namespace

Gemma2Config Gemma2Config::read(const std::filesystem::path& file) {
  const auto json = read_json_file(file);
  const std::string where = "[gemma2] " + file.string();
  JsonObject config(json, where);
  const auto type = config.get_or<std::string>("model_type", "gemma2");
  if (type != "gemma2")
    throw Error(HN_UNSUPPORTED, where + ": model_type: expected gemma2, got " + type);

  Gemma2Config c;
  c.vocab_size = config.get_or("vocab_size", c.vocab_size);
  c.hidden_size = config.get_or("hidden_size", c.hidden_size);
  c.intermediate_size = config.get_or("intermediate_size", c.intermediate_size);
  c.layers = config.get_or("num_hidden_layers", c.layers);
  c.heads = config.get_or("num_attention_heads", c.heads);
  c.kv_heads = config.get_or("num_key_value_heads", c.kv_heads);
  c.head_dim = config.get_or("head_dim", c.head_dim);
  // A key that is there and null: every layer sees all of the text.
  if (json.contains("sliding_window"))
    c.sliding_window = config.get_or<std::int64_t>("sliding_window", 0);
  c.query_pre_attn_scalar = config.get_or("query_pre_attn_scalar", c.query_pre_attn_scalar);
  c.rms_norm_eps = config.get_or("rms_norm_eps", c.rms_norm_eps);
  c.attention_bias = config.get_or("attention_bias", false);
  c.activation = config.get_or("hidden_activation", c.activation);
  c.rope_theta = read_rope_theta(config, where);
  // A key that is there and null switches the cap off; a missing key is the model's default.
  if (json.contains("attn_logit_softcapping")) {
    c.attn_softcap = config.has("attn_logit_softcapping")
                         ? std::optional(config.get<double>("attn_logit_softcapping"))
                         : std::nullopt;
  }
  if (config.get_or("use_bidirectional_attention", false))
    throw Error(HN_UNSUPPORTED, where + ": use_bidirectional_attention: expected false, got true");
  if (c.layers < 1 || c.heads < 1 || c.kv_heads < 1 || c.heads % c.kv_heads != 0 ||
      c.head_dim % 2 != 0 || c.head_dim < 2)
    throw Error(HN_DATA_LOSS, where +
                                  ": expected layers and heads above 0, heads a multiple of "
                                  "num_key_value_heads and an even head_dim");

  const auto types = config.get_or<std::vector<std::string>>("layer_types", {});
  if (!types.empty() && static_cast<std::int64_t>(types.size()) != c.layers)
    throw Error(HN_DATA_LOSS, where + ": layer_types: expected " + std::to_string(c.layers) +
                                  " entries, got " + std::to_string(types.size()));
  ignore_transformers_keys(config);
  // Of the head that makes tokens; of training; a limit that is the caller's; hidden_act, which
  // upstream does not read beside hidden_activation.
  config.ignore({"attn_logit_softcapping", "eos_token_id", "final_logit_softcapping", "hidden_act",
                 "max_position_embeddings", "sliding_window", "_sliding_window_pattern",
                 "sliding_window_size"});
  config.finish();
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const std::string kind = types.empty() ? (i % 2 == 0 ? "sliding_attention" : "full_attention")
                                           : types[static_cast<std::size_t>(i)];
    if (kind != "sliding_attention" && kind != "full_attention")
      throw Error(
          HN_UNSUPPORTED,
          where + ": layer_types: expected sliding_attention or full_attention, got " + kind);
    c.sliding.push_back(kind == "sliding_attention");
  }
  return c;
}

Gemma2::Gemma2(const Gemma2Config& config, WeightMap& weights)
    : config_(config),
      activation_(find_activation(config.activation, "[gemma2] hidden_activation")) {
  const std::int64_t hidden = config.hidden_size, wide = config.heads * config.head_dim,
                     narrow = config.kv_heads * config.head_dim;
  const Builder build{weights};
  embedding_ = weights.take("embed_tokens.weight", {config.vocab_size, hidden});
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    const bool bias = config.attention_bias;
    layers_.push_back({
        .input_norm = weights.take(at + "input_layernorm.weight", {hidden}),
        .post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {hidden}),
        .pre_feedforward_norm = weights.take(at + "pre_feedforward_layernorm.weight", {hidden}),
        .post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {hidden}),
        .q = Linear(build, at + "self_attn.q_proj", hidden, wide, bias),
        .k = Linear(build, at + "self_attn.k_proj", hidden, narrow, bias),
        .v = Linear(build, at + "self_attn.v_proj", hidden, narrow, bias),
        .o = Linear(build, at + "self_attn.o_proj", wide, hidden, bias),
        .gate = Linear(build, at + "mlp.gate_proj", hidden, config.intermediate_size, false),
        .up = Linear(build, at + "mlp.up_proj", hidden, config.intermediate_size, false),
        .down = Linear(build, at + "mlp.down_proj", config.intermediate_size, hidden, false),
    });
  }
  norm_ = weights.take("norm.weight", {hidden});
}

at::Tensor Gemma2::attention(const Layer& layer, const at::Tensor& x, const at::Tensor& cos,
                             const at::Tensor& sin, const at::Tensor& mask) const {
  const std::int64_t batch = x.size(0), length = x.size(1), d = config_.head_dim,
                     groups = config_.heads / config_.kv_heads;
  const auto split = [&](const at::Tensor& y, std::int64_t heads) {
    return y.view({batch, length, heads, d}).transpose(1, 2);
  };
  const auto q = rotate(split(layer.q(x), config_.heads), cos, sin);
  const auto k = rotate(split(layer.k(x), config_.kv_heads), cos, sin).repeat_interleave(groups, 1);
  const auto v = split(layer.v(x), config_.kv_heads).repeat_interleave(groups, 1);
  auto logits = at::matmul(q, k.transpose(2, 3)) * std::pow(config_.query_pre_attn_scalar, -0.5);
  if (config_.attn_softcap)
    logits = at::tanh(logits / *config_.attn_softcap) * *config_.attn_softcap;
  const auto weights =
      at::softmax(logits + mask, -1, accumulate_type(x.scalar_type())).to(x.scalar_type());
  return layer.o(
      at::matmul(weights, v).transpose(1, 2).reshape({batch, length, config_.heads * d}));
}

at::Tensor Gemma2::operator()(const at::Tensor& ids) const {
  const std::int64_t length = ids.size(1), d = config_.head_dim;
  const auto dtype = embedding_.scalar_type();
  const auto wide = embedding_.options().dtype(accumulate_type(dtype));
  const double eps = config_.rms_norm_eps;

  const auto exponent = at::arange(0, d, 2, wide) / static_cast<double>(d);
  const auto frequency = at::pow(at::full({}, config_.rope_theta, wide), exponent).reciprocal();
  const auto angle = at::outer(at::arange(length, wide), frequency);
  const auto angles = at::cat({angle, angle}, -1);
  const auto cos = angles.cos().to(dtype), sin = angles.sin().to(dtype);
  const auto full = causal_mask(length, 0, embedding_.options());
  const auto window = causal_mask(length, config_.sliding_window, embedding_.options());

  const auto scale =
      at::full({}, std::sqrt(static_cast<double>(config_.hidden_size)), wide).to(dtype);
  auto x = at::embedding(embedding_, ids) * scale;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const auto attended = attention(layer, gemma_norm(x, layer.input_norm, eps), cos, sin,
                                    config_.sliding[i] ? window : full);
    x = x + gemma_norm(attended, layer.post_attention_norm, eps);
    const auto y = gemma_norm(x, layer.pre_feedforward_norm, eps);
    x = x + gemma_norm(layer.down(activation_(layer.gate(y)) * layer.up(y)),
                       layer.post_feedforward_norm, eps);
  }
  return gemma_norm(x, norm_, eps);
}

}  // namespace hn
