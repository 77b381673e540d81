#include "attention.hpp"

#include <ATen/ATen.h>

#include <hn/nn/attention.hpp>
#include <hn/nn/ops.hpp>

namespace hn::flux {
namespace {

constexpr double kTheta = 10000, kNormEps = 1e-6;

// x: [B, L, heads, d] with neighbours in d as a plane's two coordinates.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& rotations) {
  const auto wide = x.to(accumulate_type(x.scalar_type())).unflatten(-1, {x.size(-1) / 2, 2});
  return at::view_as_real(at::view_as_complex(wide.contiguous()) * rotations)
      .flatten(-2)
      .to(x.scalar_type());
}

}  // namespace

at::Tensor rotary_positions(const TransformerConfig& config, std::int64_t text, std::int64_t height,
                            std::int64_t width, at::ScalarType dtype, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kDouble).device(device);
  const auto rows = at::arange(height, options).repeat_interleave(width);
  const auto columns = at::arange(width, options).repeat({height});
  // The first coordinate is unused: it is 0 everywhere.
  const std::array<at::Tensor, 3> positions = {at::zeros({height * width}, options), rows, columns};
  std::vector<at::Tensor> angles;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const std::int64_t dim = config.rope_dims[i];
    const auto exponent = at::arange(0, dim, 2, options) / static_cast<double>(dim);
    const auto frequency = at::pow(at::full({}, kTheta, options), exponent).reciprocal();
    angles.push_back(at::outer(at::cat({at::zeros({text}, options), positions[i]}), frequency));
  }
  const auto angle = at::cat(angles, 1).unsqueeze(1);
  const auto type = accumulate_type(dtype) == at::kDouble ? at::kComplexDouble : at::kComplexFloat;
  return at::polar(at::ones_like(angle), angle).to(type);
}

QueryKeyValue::QueryKeyValue(const Builder& builder, const std::string& q, const std::string& k,
                             const std::string& v, const std::string& norm_q,
                             const std::string& norm_k, const TransformerConfig& config)
    : q_(builder, q, config.width(), config.width(), true),
      k_(builder, k, config.width(), config.width(), true),
      v_(builder, v, config.width(), config.width(), true),
      norm_q_(builder.weights.take(norm_q + ".weight", {config.head_dim})),
      norm_k_(builder.weights.take(norm_k + ".weight", {config.head_dim})),
      heads_(config.heads) {}

QueryKeyValue::Heads QueryKeyValue::operator()(const at::Tensor& x, const LoraSet& lora) const {
  const auto split = [&](const at::Tensor& y) { return y.unflatten(-1, {heads_, -1}); };
  const auto normed = [&](const at::Tensor& y, const at::Tensor& weight) {
    return at::rms_norm(split(y), weight.sizes(), weight, kNormEps);
  };
  return {normed(q_(x, lora), norm_q_), normed(k_(x, lora), norm_k_), split(v_(x, lora))};
}

at::Tensor rotary_attention(const QueryKeyValue::Heads& heads, const at::Tensor& rotations) {
  const auto y = attend(rotate(heads.q, rotations).transpose(1, 2),
                        rotate(heads.k, rotations).transpose(1, 2), heads.v.transpose(1, 2), {},
                        /*deterministic=*/false);
  return join_heads(y);
}

}  // namespace hn::flux
