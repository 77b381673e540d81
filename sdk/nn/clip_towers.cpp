#include <ATen/ATen.h>

#include <hn/cpp/error.hpp>
#include <hn/nn/attention.hpp>
#include <hn/nn/clip_towers.hpp>
#include <hn/nn/frozen_linear.hpp>

namespace hn {
namespace {

std::string shape_of(const at::Tensor& t) { return c10::str(t.sizes()); }

constexpr double kQuickGeluSlope = 1.702;

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, bias);
}

}  // namespace

at::Tensor clip_activation(const at::Tensor& x, ClipActivation activation) {
  switch (activation) {
    case ClipActivation::kQuickGelu: return x * at::sigmoid(x * kQuickGeluSlope);
    case ClipActivation::kGelu: return at::gelu(x, "none");
    case ClipActivation::kGeluTanh: return at::gelu(x, "tanh");
  }
  throw Error(HN_INTERNAL, "[clip] unknown activation");
}

ClipEncoder::ClipEncoder(const ClipEncoderConfig& config, WeightMap& weights,
                         const std::string& prefix)
    : config_(config) {
  const std::int64_t d = config.width, m = config.intermediate;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string name = prefix + ".layers." + std::to_string(i);
    const auto norm = [&](const char* part) {
      return Norm{weights.take(name + part + ".weight", {d}),
                  weights.take(name + part + ".bias", {d})};
    };
    const auto linear = [&](const char* part, std::int64_t out, std::int64_t in) {
      return Linear{weights.take(name + part + ".weight", {out, in}),
                    weights.take(name + part + ".bias", {out})};
    };
    Layer layer;
    layer.norm1 = norm(".layer_norm1");
    layer.norm2 = norm(".layer_norm2");
    layer.query = linear(".self_attn.q_proj", d, d);
    layer.key = linear(".self_attn.k_proj", d, d);
    layer.value = linear(".self_attn.v_proj", d, d);
    layer.out = linear(".self_attn.out_proj", d, d);
    layer.fc1 = linear(".mlp.fc1", m, d);
    layer.fc2 = linear(".mlp.fc2", d, m);
    layers_.push_back(std::move(layer));
  }
}

void ClipEncoder::prepare() {
  for (Layer& layer : layers_) {
    layer.joined = {at::cat({layer.query.weight, layer.key.weight, layer.value.weight}),
                    at::cat({layer.query.bias, layer.key.bias, layer.value.bias})};
    layer.query = layer.key = layer.value = {};
    // quick_gelu(x) = silu(1.702 x) / 1.702: with the factors in the weights one pass over the
    // widest tensor is left of three, forward and backward. Not below float32, where the weights
    // would be rounded anew.
    folded_ = config_.activation == ClipActivation::kQuickGelu &&
              layer.fc1.weight.scalar_type() == at::kFloat;
    if (folded_) {
      layer.fc1 = {layer.fc1.weight * kQuickGeluSlope, layer.fc1.bias * kQuickGeluSlope};
      layer.fc2.weight = layer.fc2.weight / kQuickGeluSlope;
    }
  }
}

at::Tensor ClipEncoder::attend(const Layer& layer, const at::Tensor& x, std::int64_t queries,
                               const at::Tensor& mask, bool deterministic, Product product) const {
  const std::int64_t d = config_.width, heads = config_.heads;
  at::Tensor query, key, value;
  if (queries == x.size(1)) {
    const auto qkv = product(x, layer.joined.weight, layer.joined.bias).chunk(3, -1);
    query = qkv[0], key = qkv[1], value = qkv[2];
  } else {
    query = product(x.narrow(1, 0, queries), layer.joined.weight.narrow(0, 0, d),
                    layer.joined.bias.narrow(0, 0, d));
    const auto kv =
        product(x, layer.joined.weight.narrow(0, d, 2 * d), layer.joined.bias.narrow(0, d, 2 * d))
            .chunk(2, -1);
    key = kv[0], value = kv[1];
  }
  const at::Tensor mixed = hn::attend(split_heads(query, heads), split_heads(key, heads),
                                      split_heads(value, heads), mask, deterministic);
  return product(join_heads(mixed), layer.out.weight, layer.out.bias);
}

at::Tensor ClipEncoder::layer(const Layer& layer, const at::Tensor& x, std::int64_t kept,
                              const at::Tensor& mask, bool deterministic, Product product) const {
  const auto norm = [&](const at::Tensor& h, const Norm& n) {
    return at::layer_norm(h, {config_.width}, n.weight, n.bias, config_.layer_norm_eps);
  };
  const at::Tensor h = x.narrow(1, 0, kept) +
                       attend(layer, norm(x, layer.norm1), kept, mask, deterministic, product);
  const at::Tensor wide = product(norm(h, layer.norm2), layer.fc1.weight, layer.fc1.bias);
  const at::Tensor active = folded_ ? at::silu(wide) : clip_activation(wide, config_.activation);
  return h + product(active, layer.fc2.weight, layer.fc2.bias);
}

at::Tensor ClipEncoder::forward(const at::Tensor& x, const at::Tensor& mask,
                                bool deterministic) const {
  at::Tensor h = x;
  for (const Layer& each : layers_) h = layer(each, h, h.size(1), mask, deterministic, &linear);
  return h;
}

at::Tensor ClipEncoder::forward_first(const at::Tensor& x, bool deterministic) const {
  at::Tensor h = x;
  for (const Layer& each : layers_)
    h = layer(each, h, &each == &layers_.back() ? 1 : h.size(1), {}, deterministic, &frozen_linear);
  return h.select(1, 0);
}

ClipTextTower::ClipTextTower(const ClipTextConfig& config, WeightMap& weights,
                             const std::string& prefix)
    : config_(config),
      tokens_(weights.take(prefix + "embeddings.token_embedding.weight",
                           {config.vocab_size, config.encoder.width})),
      positions_(weights.take(prefix + "embeddings.position_embedding.weight",
                              {config.max_positions, config.encoder.width})),
      encoder_(config.encoder, weights, prefix + "encoder"),
      norm_weight_(weights.take(prefix + "final_layer_norm.weight", {config.encoder.width})),
      norm_bias_(weights.take(prefix + "final_layer_norm.bias", {config.encoder.width})) {
  weights.skip(prefix + "embeddings.position_ids");  // a buffer that old files carry
}

ClipTextOutput ClipTextTower::forward(const at::Tensor& ids, const at::Tensor& mask,
                                      bool deterministic) const {
  if (ids.dim() != 2 || ids.size(1) < 1 || ids.size(1) > config_.max_positions)
    throw Error(HN_INVALID_ARGUMENT, "[clip text] expected ids [B,L] with L from 1 to " +
                                         std::to_string(config_.max_positions) + ", got " +
                                         shape_of(ids));
  const std::int64_t length = ids.size(1);
  const at::Tensor local = ids.to(at::kCPU, at::kLong);
  if (local.numel() > 0 && (local.min().item<std::int64_t>() < 0 ||
                            local.max().item<std::int64_t>() >= config_.vocab_size))
    throw Error(HN_INVALID_ARGUMENT, "[clip text] expected ids from 0 to " +
                                         std::to_string(config_.vocab_size - 1) + ", got " +
                                         std::to_string(local.min().item<std::int64_t>()) + " to " +
                                         std::to_string(local.max().item<std::int64_t>()));
  const at::Device device = tokens_.device();
  at::Tensor visible =
      at::ones({length, length}, at::TensorOptions().dtype(at::kBool).device(device)).tril();
  if (mask.defined())
    visible = visible.logical_and(mask.to(device, at::kBool).view({-1, 1, 1, length}));
  const at::Tensor x = at::embedding(tokens_, local.to(device)) + positions_.narrow(0, 0, length);
  ClipTextOutput out;
  out.hidden = at::layer_norm(encoder_.forward(x, visible, deterministic), {config_.encoder.width},
                              norm_weight_, norm_bias_, config_.encoder.layer_norm_eps);
  // argmax of a 0/1 row is its first 1; LibTorch does not promise the first of equal values, so the
  // position is counted here.
  constexpr std::int64_t kLegacyEos = 2;
  at::Tensor rows = at::empty({local.size(0)}, at::kLong);
  const auto id = local.accessor<std::int64_t, 2>();
  for (std::int64_t b = 0; b < local.size(0); ++b) {
    std::int64_t at_position = 0;
    for (std::int64_t i = 1; i < length; ++i) {
      if (config_.eos_token_id == kLegacyEos) {
        if (id[b][i] > id[b][at_position]) at_position = i;
      } else if (id[b][at_position] != config_.eos_token_id && id[b][i] == config_.eos_token_id) {
        at_position = i;
      }
    }
    rows.data_ptr<std::int64_t>()[b] = b * length + at_position;
  }
  out.pooled = out.hidden.reshape({-1, config_.encoder.width}).index_select(0, rows.to(device));
  return out;
}

ClipVisionTower::ClipVisionTower(const ClipVisionConfig& config, WeightMap& weights,
                                 const std::string& prefix)
    : config_(config),
      class_token_(weights.take(prefix + "embeddings.class_embedding", {config.encoder.width})),
      patches_(weights.take(
          prefix + "embeddings.patch_embedding.weight",
          {config.encoder.width, config.channels, config.patch_size, config.patch_size})),
      positions_(weights.take(
          prefix + "embeddings.position_embedding.weight",
          {(config.image_size / config.patch_size) * (config.image_size / config.patch_size) + 1,
           config.encoder.width})),
      // Upstream's spelling.
      pre_weight_(weights.take(prefix + "pre_layrnorm.weight", {config.encoder.width})),
      pre_bias_(weights.take(prefix + "pre_layrnorm.bias", {config.encoder.width})),
      encoder_(config.encoder, weights, prefix + "encoder"),
      post_weight_(weights.take(prefix + "post_layernorm.weight", {config.encoder.width})),
      post_bias_(weights.take(prefix + "post_layernorm.bias", {config.encoder.width})) {
  weights.skip(prefix + "embeddings.position_ids");
}

at::Tensor ClipVisionTower::forward(const at::Tensor& pixels, bool deterministic) const {
  const std::int64_t n = config_.image_size, p = config_.patch_size, grid = n / p,
                     d = config_.encoder.width;
  if (pixels.dim() != 4 || pixels.size(1) != config_.channels || pixels.size(2) != n ||
      pixels.size(3) != n)
    throw Error(HN_INVALID_ARGUMENT, "[clip vision] expected pixels [B,3," + std::to_string(n) +
                                         "," + std::to_string(n) + "], got " + shape_of(pixels));
  const std::int64_t batch = pixels.size(0);
  // An image_size that is no multiple of the patch leaves a rim on the right and below unread, as
  // the strided convolution does.
  const at::Tensor cut = pixels.to(patches_.scalar_type())
                             .narrow(2, 0, grid * p)
                             .narrow(3, 0, grid * p)
                             .reshape({batch, config_.channels, grid, p, grid, p})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({batch, grid * grid, config_.channels * p * p});
  const at::Tensor tokens = frozen_linear(cut, patches_.reshape({d, -1}), {});
  const at::Tensor x = at::cat({class_token_.expand({batch, 1, d}), tokens}, 1) + positions_;
  const double eps = config_.encoder.layer_norm_eps;
  const at::Tensor first =
      encoder_.forward_first(at::layer_norm(x, {d}, pre_weight_, pre_bias_, eps), deterministic);
  return at::layer_norm(first, {d}, post_weight_, post_bias_, eps);
}

}  // namespace hn
