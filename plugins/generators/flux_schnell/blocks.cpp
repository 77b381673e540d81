#include "blocks.hpp"

#include <ATen/ATen.h>

namespace hn::flux {
namespace {

constexpr double kNormEps = 1e-6;
constexpr std::int64_t kWidening = 4;  // of the feed-forward, mlp_ratio

QueryKeyValue own_heads(const Builder& builder, const std::string& attention,
                        const TransformerConfig& config) {
  return {builder,
          attention + ".to_q",
          attention + ".to_k",
          attention + ".to_v",
          attention + ".norm_q",
          attention + ".norm_k",
          config};
}

}  // namespace

Modulation::Modulation(const Builder& builder, const std::string& name, std::int64_t vectors,
                       std::int64_t width)
    : linear_(builder, name + ".linear", width, vectors * width, true), vectors_(vectors) {}

std::vector<at::Tensor> Modulation::operator()(const at::Tensor& conditioning,
                                               const LoraSet& lora) const {
  return linear_(at::silu(conditioning), lora).unsqueeze(1).chunk(vectors_, -1);
}

at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  const auto normed = at::layer_norm(x, {x.size(-1)}, {}, {}, kNormEps);
  return normed * (1 + scale) + shift;
}

DoubleBlock::DoubleBlock(const Builder& builder, const std::string& name,
                         const TransformerConfig& config) {
  const std::int64_t width = config.width(), wide = kWidening * width;
  const std::string attention = name + ".attn";
  const auto linear = [&](const std::string& layer, std::int64_t in, std::int64_t out) {
    return Linear(builder, layer, in, out, true);
  };
  picture_.norm = Modulation(builder, name + ".norm1", 6, width);
  text_.norm = Modulation(builder, name + ".norm1_context", 6, width);
  picture_.heads = own_heads(builder, attention, config);
  picture_.out = linear(attention + ".to_out.0", width, width);
  text_.heads = QueryKeyValue(builder, attention + ".add_q_proj", attention + ".add_k_proj",
                              attention + ".add_v_proj", attention + ".norm_added_q",
                              attention + ".norm_added_k", config);
  text_.out = linear(attention + ".to_add_out", width, width);
  picture_.wide = linear(name + ".ff.net.0.proj", width, wide);
  picture_.narrow = linear(name + ".ff.net.2", wide, width);
  text_.wide = linear(name + ".ff_context.net.0.proj", width, wide);
  text_.narrow = linear(name + ".ff_context.net.2", wide, width);
}

at::Tensor DoubleBlock::finish(const Stream& stream, const at::Tensor& x,
                               const at::Tensor& attended, const std::vector<at::Tensor>& m,
                               const LoraSet& lora) const {
  const auto y = x + m[2] * stream.out(attended, lora);
  const auto wide = at::gelu(stream.wide(modulated_norm(y, m[3], m[4]), lora), "tanh");
  return y + m[5] * stream.narrow(wide, lora);
}

at::Tensor DoubleBlock::operator()(const at::Tensor& x, const BlockInput& input,
                                   const LoraSet& lora) const {
  const std::vector<std::int64_t> lengths = {input.text, x.size(1) - input.text};
  const auto parts = x.split_with_sizes(lengths, 1);
  // shift, scale and gate of the attention, then of the feed-forward.
  const auto text_m = text_.norm(input.conditioning, lora);
  const auto picture_m = picture_.norm(input.conditioning, lora);
  const auto text = text_.heads(modulated_norm(parts[0], text_m[0], text_m[1]), lora);
  const auto picture = picture_.heads(modulated_norm(parts[1], picture_m[0], picture_m[1]), lora);
  const auto attended =
      rotary_attention({at::cat({text.q, picture.q}, 1), at::cat({text.k, picture.k}, 1),
                        at::cat({text.v, picture.v}, 1)},
                       input.rotations)
          .split_with_sizes(lengths, 1);
  return at::cat({finish(text_, parts[0], attended[0], text_m, lora),
                  finish(picture_, parts[1], attended[1], picture_m, lora)},
                 1);
}

SingleBlock::SingleBlock(const Builder& builder, const std::string& name,
                         const TransformerConfig& config)
    : norm_(builder, name + ".norm", 3, config.width()),
      wide_(builder, name + ".proj_mlp", config.width(), kWidening * config.width(), true),
      out_(builder, name + ".proj_out", (1 + kWidening) * config.width(), config.width(), true),
      heads_(own_heads(builder, name + ".attn", config)) {}

at::Tensor SingleBlock::operator()(const at::Tensor& x, const BlockInput& input,
                                   const LoraSet& lora) const {
  const auto m = norm_(input.conditioning, lora);
  const auto normed = modulated_norm(x, m[0], m[1]);
  const auto wide = at::gelu(wide_(normed, lora), "tanh");
  const auto attended = rotary_attention(heads_(normed, lora), input.rotations);
  return x + m[2] * out_(at::cat({attended, wide}, -1), lora);
}

}  // namespace hn::flux
