#include "bert.hpp"

#include <ATen/ATen.h>

#include <hn/nn/attention.hpp>

namespace hn::image_reward {

TextEncoder::TextEncoder(const BertConfig& config, std::int64_t encoder_width, WeightMap& weights,
                         const std::string& prefix)
    : config_(config),
      activation_(find_activation(config.activation, "[image_reward] hidden_act")) {
  const std::int64_t d = config.width, m = config.intermediate;
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    return Affine{weights.take(prefix + name + ".weight", {out, in}),
                  weights.take(prefix + name + ".bias", {out})};
  };
  const auto norm = [&](const std::string& name) {
    return Affine{weights.take(prefix + name + ".LayerNorm.weight", {d}),
                  weights.take(prefix + name + ".LayerNorm.bias", {d})};
  };
  const auto attention = [&](const std::string& name, std::int64_t in) {
    return Attention{linear(name + ".self.query", d, d),   linear(name + ".self.key", d, in),
                     linear(name + ".self.value", d, in),  {},
                     linear(name + ".output.dense", d, d), norm(name + ".output")};
  };
  words_ = weights.take(prefix + ".embeddings.word_embeddings.weight", {config.vocab_size, d});
  positions_ =
      weights.take(prefix + ".embeddings.position_embeddings.weight", {config.max_positions, d});
  norm_ = norm(".embeddings");
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string name = ".encoder.layer." + std::to_string(i);
    layers_.push_back({attention(name + ".attention", d),
                       attention(name + ".crossattention", encoder_width),
                       linear(name + ".intermediate.dense", m, d),
                       linear(name + ".output.dense", d, m), norm(name + ".output")});
  }
}

void TextEncoder::prepare() {
  for (Layer& layer : layers_) {
    Attention& self = layer.self;
    self.joined = {at::cat({self.query.weight, self.key.weight, self.value.weight}),
                   at::cat({self.query.bias, self.key.bias, self.value.bias})};
    self.query = self.key = self.value = {};
    Attention& cross = layer.cross;
    cross.joined = {at::cat({cross.key.weight, cross.value.weight}),
                    at::cat({cross.key.bias, cross.value.bias})};
    cross.key = cross.value = {};
  }
}

at::Tensor TextEncoder::normed(const at::Tensor& x, const Affine& n) const {
  return at::layer_norm(x, {config_.width}, n.weight, n.bias, config_.layer_norm_eps);
}

at::Tensor TextEncoder::finish(const Attention& a, const at::Tensor& mixed,
                               const at::Tensor& x) const {
  return normed(at::linear(join_heads(mixed), a.dense.weight, a.dense.bias) + x, a.norm);
}

at::Tensor TextEncoder::forward(const at::Tensor& ids, const at::Tensor& mask,
                                const at::Tensor& picture, bool deterministic) const {
  const std::int64_t length = ids.size(1), heads = config_.heads;
  const at::Tensor visible =
      mask.defined() ? mask.view({mask.size(0), 1, 1, length}) : at::Tensor();
  at::Tensor x = normed(at::embedding(words_, ids) + positions_.narrow(0, 0, length), norm_);
  for (const Layer& layer : layers_) {
    const auto qkv = at::linear(x, layer.self.joined.weight, layer.self.joined.bias).chunk(3, -1);
    x = finish(layer.self,
               attend(split_heads(qkv[0], heads), split_heads(qkv[1], heads),
                      split_heads(qkv[2], heads), visible, deterministic),
               x);
    const at::Tensor query = at::linear(x, layer.cross.query.weight, layer.cross.query.bias);
    const auto kv =
        at::linear(picture, layer.cross.joined.weight, layer.cross.joined.bias).chunk(2, -1);
    x = finish(layer.cross,
               attend(split_heads(query, heads), split_heads(kv[0], heads),
                      split_heads(kv[1], heads), {}, deterministic),
               x);
    const at::Tensor wide =
        activation_(at::linear(x, layer.intermediate.weight, layer.intermediate.bias));
    x = normed(at::linear(wide, layer.output.weight, layer.output.bias) + x, layer.norm);
  }
  return x;
}

}  // namespace hn::image_reward
