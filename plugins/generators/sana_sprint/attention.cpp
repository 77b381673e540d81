#include "attention.hpp"

#include <ATen/ATen.h>

#include <hn/nn/fused.hpp>

namespace hn::sana {

AttentionProjections::AttentionProjections(const Builder& builder, const std::string& name,
                                           const AttentionConfig& config)
    : heads_(config.heads), head_dim_(config.head_dim) {
  const std::int64_t inner = config.heads * config.head_dim;
  q_ = Linear(builder, name + ".to_q", config.query_dim, inner, config.bias);
  k_ = Linear(builder, name + ".to_k", config.context_dim, inner, config.bias);
  v_ = Linear(builder, name + ".to_v", config.context_dim, inner, config.bias);
  out_ = Linear(builder, name + ".to_out.0", inner, config.query_dim, true);
  if (config.qk_norm) {
    norm_q_ = builder.weights.take(name + ".norm_q.weight", {inner});
    norm_k_ = builder.weights.take(name + ".norm_k.weight", {inner});
  }
}

at::Tensor AttentionProjections::normed(const at::Tensor& x, const at::Tensor& weight) const {
  return weight.defined() ? fused_rms_norm(x, weight, {}, 1e-5) : x;
}

at::Tensor LinearAttention::operator()(const at::Tensor& x, const LoraSet& lora) const {
  const std::int64_t batch = x.size(0), n = x.size(1);
  const auto split = [&](const at::Tensor& y) { return y.view({batch, n, heads_, head_dim_}); };
  const auto y = fused_relu_linear_attention(
      split(normed(q_(x, lora), norm_q_)), split(normed(k_(x, lora), norm_k_)), split(v_(x, lora)));
  return out_(y.reshape({batch, n, heads_ * head_dim_}).to(x.scalar_type()), lora);
}

at::Tensor CrossAttention::operator()(const at::Tensor& x, const Caption& caption,
                                      const LoraSet& lora) const {
  const std::int64_t batch = x.size(0), n = x.size(1), prompts = caption.states.size(0),
                     length = caption.states.size(1);
  const auto spread = [&](const at::Tensor& y) {
    if (caption.prompt_of_sample.defined()) return y.index_select(0, caption.prompt_of_sample);
    auto shape = y.sizes().vec();
    shape[0] = batch;
    return y.expand(shape);
  };
  const auto per_prompt = [&](const at::Tensor& y) {
    return spread(y.view({prompts, length, heads_, head_dim_})).transpose(1, 2);
  };
  const auto q = normed(q_(x, lora), norm_q_).view({batch, n, heads_, head_dim_}).transpose(1, 2);
  const auto k = per_prompt(normed(k_(caption.states, lora), norm_k_));
  const auto v = per_prompt(v_(caption.states, lora));
  std::optional<at::Tensor> bias;
  if (caption.bias.defined()) bias = spread(caption.bias).expand({batch, heads_, n, length});
  const auto y = at::scaled_dot_product_attention(q, k, v, bias);
  return out_(y.transpose(1, 2).reshape({batch, n, heads_ * head_dim_}), lora);
}

}  // namespace hn::sana
