#include "spatial_transformer.hpp"

#include <ATen/ATen.h>

namespace hn::sd {
namespace {

constexpr double kGroupNormEps = 1e-6, kLayerNormEps = 1e-5;
constexpr std::int64_t kFeedForwardRatio = 4;

}  // namespace

Attention::Attention(const Builder& builder, const std::string& name, std::int64_t width,
                     std::int64_t context, std::int64_t heads)
    : q_(builder, name + ".to_q", width, width, false),
      k_(builder, name + ".to_k", context, width, false),
      v_(builder, name + ".to_v", context, width, false),
      out_(builder, name + ".to_out.0", width, width, true),
      heads_(heads) {}

at::Tensor Attention::operator()(const at::Tensor& x, const Text* text, const LoraSet& lora) const {
  const std::int64_t batch = x.size(0), width = x.size(2);
  const auto split = [&](const at::Tensor& y) {
    return y.view({y.size(0), y.size(1), heads_, width / heads_}).transpose(1, 2);
  };
  const auto spread = [&](const at::Tensor& y) {
    if (text == nullptr || y.size(0) == batch) return y;
    if (text->prompt_of_sample.defined()) return y.index_select(0, text->prompt_of_sample);
    return y.expand({batch, -1, -1, -1});
  };
  const at::Tensor& context = text == nullptr ? x : text->states;
  const auto mixed = at::scaled_dot_product_attention(
      split(q_(x, lora)), spread(split(k_(context, lora))), spread(split(v_(context, lora))));
  return out_(mixed.transpose(1, 2).reshape({batch, x.size(1), width}), lora);
}

SpatialTransformer::SpatialTransformer(const Builder& builder, const std::string& name,
                                       const TransformerOptions& options)
    : options_(options),
      norm_(builder, name + ".norm", options.groups, options.channels, kGroupNormEps) {
  const std::int64_t width = options.channels;
  if (options.linear_projection)
    linear_in_ = Linear(builder, name + ".proj_in", width, width, true);
  else
    conv_in_ = Conv2d(builder, name + ".proj_in", width, width, 1, 1, 0, 1, true);
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const std::string at = name + ".transformer_blocks." + std::to_string(i);
    const auto norm = [&](const char* which) {
      return LayerNorm{builder.weights.take(at + which + ".weight", {width}),
                       builder.weights.take(at + which + ".bias", {width})};
    };
    Layer layer;
    layer.norm1 = norm(".norm1");
    layer.attn1 =
        Attention(builder, at + ".attn1", width,
                  options.only_cross_attention ? options.cross_dim : width, options.heads);
    layer.norm2 = norm(".norm2");
    layer.attn2 = Attention(builder, at + ".attn2", width, options.cross_dim, options.heads);
    layer.norm3 = norm(".norm3");
    const std::int64_t inner = kFeedForwardRatio * width;
    layer.ff_in = Linear(builder, at + ".ff.net.0.proj", width, 2 * inner, true);
    layer.ff_out = Linear(builder, at + ".ff.net.2", inner, width, true);
    layers_.push_back(std::move(layer));
  }
  if (options.linear_projection)
    linear_out_ = Linear(builder, name + ".proj_out", width, width, true);
  else
    conv_out_ = Conv2d(builder, name + ".proj_out", width, width, 1, 1, 0, 1, true);
}

at::Tensor SpatialTransformer::operator()(const at::Tensor& x, const Text& text,
                                          const LoraSet& lora) const {
  const std::int64_t batch = x.size(0), width = x.size(1), height = x.size(2), columns = x.size(3);
  const auto norm = [&](const at::Tensor& y, const LayerNorm& n) {
    return at::layer_norm(y, {width}, n.weight, n.bias, kLayerNormEps);
  };
  auto tokens = norm_(x).permute({0, 2, 3, 1}).reshape({batch, height * columns, width});
  tokens =
      options_.linear_projection ? linear_in_(tokens, lora) : conv_in_.on_patches(tokens, lora);
  for (const Layer& layer : layers_) {
    const Text* first = options_.only_cross_attention ? &text : nullptr;
    tokens = layer.attn1(norm(tokens, layer.norm1), first, lora) + tokens;
    tokens = layer.attn2(norm(tokens, layer.norm2), &text, lora) + tokens;
    const auto wide = layer.ff_in(norm(tokens, layer.norm3), lora).chunk(2, -1);
    tokens = layer.ff_out(wide[0] * at::gelu(wide[1]), lora) + tokens;
  }
  tokens =
      options_.linear_projection ? linear_out_(tokens, lora) : conv_out_.on_patches(tokens, lora);
  return tokens.view({batch, height, columns, width}).permute({0, 3, 1, 2}) + x;
}

}  // namespace hn::sd
