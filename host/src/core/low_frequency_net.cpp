#include "core/low_frequency_net.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "core/prompt_embedding.hpp"

namespace hn::core {
namespace {

// {in, out} of each layer.
std::vector<std::pair<std::int64_t, std::int64_t>> layer_sizes(const LowFrequencyShape& shape) {
  std::vector<std::pair<std::int64_t, std::int64_t>> sizes;
  std::int64_t in = shape.coefficients() + shape.condition;
  for (std::int64_t l = 0; l < shape.depth; ++l) {
    sizes.emplace_back(in, shape.hidden);
    in = shape.hidden;
  }
  sizes.emplace_back(in, shape.coefficients());
  return sizes;
}

// Mean 0 and variance 1 of each row: generators' embeddings differ in size by orders of magnitude.
at::Tensor standardised(const at::Tensor& rows) {
  constexpr double kEpsilon = 1e-6;
  return at::layer_norm(rows, {rows.size(1)}, {}, {}, kEpsilon);
}

std::vector<LowFrequencyMath::Layer> layers_of(const Adapter& adapter, bool gradients) {
  std::vector<LowFrequencyMath::Layer> layers;
  const auto& all = adapter.matrices();
  for (std::size_t i = 0; i + 1 < all.size(); i += 2)
    layers.push_back(gradients ? LowFrequencyMath::Layer{all[i].gradient, all[i + 1].gradient}
                               : LowFrequencyMath::Layer{all[i].value, all[i + 1].value});
  return layers;
}

void put(const at::Tensor& into, const at::Tensor& value, bool add) {
  if (add)
    into.add_(value);
  else
    into.copy_(value);
}

}  // namespace

LowFrequencyShape low_frequency_shape(const std::vector<std::int64_t>& noise_shape,
                                      std::int64_t condition, const NetSpec& net) {
  return {noise_shape.at(0),
          noise_shape.at(1),
          noise_shape.at(2),
          net.frequencies,
          net.width,
          net.depth,
          net.condition == NetCondition::kPooled ? condition : 0};
}

std::vector<Parameter> low_frequency_parameters(const LowFrequencyShape& shape) {
  std::vector<Parameter> parameters;
  const auto sizes = layer_sizes(shape);
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    const auto [in, out] = sizes[l];
    const bool last = l + 1 == sizes.size();
    const float bound = last ? 0.0f : 1.0f / std::sqrt(static_cast<float>(in));
    const std::string name = "layer." + std::to_string(l);
    parameters.push_back({name + ".weight", {out, in}, bound});
    parameters.push_back({name + ".bias", {out}, bound});
  }
  return parameters;
}

std::uint64_t low_frequency_flops(const LowFrequencyShape& shape) {
  // A product of [m,n] and [n,p]: m p n multiplications and as many additions.
  const auto product = [](std::int64_t m, std::int64_t n, std::int64_t p) { return 2 * m * n * p; };
  const std::int64_t k = shape.frequencies;
  const std::int64_t transform =
      shape.channels * (product(k, shape.height, shape.width) + product(k, shape.width, k));
  std::int64_t flops = 2 * transform;  // the inverse multiplies the same matrices
  for (const auto& [in, out] : layer_sizes(shape)) flops += product(out, in, 1) + out;
  constexpr std::int64_t kSilu = 4;  // exponential, addition, division, product
  flops += shape.depth * shape.hidden * kSilu;
  return static_cast<std::uint64_t>(flops);
}

LowFrequencyMath::LowFrequencyMath(const LowFrequencyShape& shape, const at::TensorOptions& options)
    : shape_(shape), transform_(shape.frequencies, shape.height, shape.width, options) {}

at::Tensor LowFrequencyMath::forward(const at::Tensor& x0, const at::Tensor& condition,
                                     std::span<const Layer> layers, Kept* kept) const {
  at::Tensor a = transform_.coefficients(x0).flatten(1);
  if (condition.defined()) a = at::cat({a, condition}, 1);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (kept != nullptr) kept->inputs.push_back(a);
    a = at::linear(a, layers[l].weight, layers[l].bias);
    if (l + 1 == layers.size()) break;
    if (kept != nullptr) kept->sums.push_back(a);
    a = at::silu(a);
  }
  return transform_.pictures(
      a.view({x0.size(0), shape_.channels, shape_.frequencies, shape_.frequencies}));
}

at::Tensor LowFrequencyMath::backward(const Kept& kept, const at::Tensor& delta_grad,
                                      std::span<const Layer> layers,
                                      std::span<const Layer> gradients, bool add,
                                      bool want_noise) const {
  at::Tensor g = transform_.coefficients(delta_grad).flatten(1);
  for (std::size_t l = layers.size(); l-- > 0;) {
    if (l < kept.sums.size()) g = at::silu_backward(g, kept.sums[l]);
    if (!gradients.empty()) {
      put(gradients[l].weight, at::matmul(g.t(), kept.inputs[l]), add);
      put(gradients[l].bias, g.sum(0), add);
    }
    if (l > 0 || want_noise) g = at::matmul(g, layers[l].weight);
  }
  if (!want_noise) return {};
  return transform_.pictures(
      g.narrow(1, 0, shape_.coefficients())
          .reshape({delta_grad.size(0), shape_.channels, shape_.frequencies, shape_.frequencies}));
}

class LowFrequencyNet::LowFrequencyPass final : public NoiseNet::Pass {
 public:
  explicit LowFrequencyPass(LowFrequencyNet& net) : net_(net) {}
  LowFrequencyMath::Kept& kept() { return kept_; }
  void backward(const at::Tensor& delta_grad, bool add) override {
    net_.math_.backward(kept_, delta_grad, net_.layers_, net_.gradients_, add, false);
  }
  void noise_backward(const at::Tensor& delta_grad, const at::Tensor& x0_grad) override {
    x0_grad.copy_(net_.math_.backward(kept_, delta_grad, net_.layers_, {}, false, true));
  }

 private:
  LowFrequencyNet& net_;
  LowFrequencyMath::Kept kept_;
};

LowFrequencyNet::LowFrequencyNet(Instance& generator, const LowFrequencyShape& shape,
                                 const Adapter& adapter)
    : generator_(generator),
      shape_(shape),
      math_(shape, adapter.values().options()),
      layers_(layers_of(adapter, false)),
      gradients_(layers_of(adapter, true)) {}

std::unique_ptr<NoiseNet::Pass> LowFrequencyNet::forward(const at::Tensor& x0, Handles handles,
                                                         const at::Tensor& delta, bool keep) {
  auto pass = keep ? std::make_unique<LowFrequencyPass>(*this) : nullptr;
  at::Tensor condition;
  if (shape_.condition > 0)
    condition = standardised(pooled_embeddings(generator_, handles, x0.device()));
  delta.copy_(math_.forward(x0, condition, layers_, pass ? &pass->kept() : nullptr));
  return pass;
}

Need LowFrequencyNet::need(const at::Tensor& x0, Handles /*handles*/, const at::Tensor&) {
  std::int64_t numbers = 0;
  for (const auto& [in, out] : layer_sizes(shape_)) numbers += in;
  numbers += shape_.depth * shape_.hidden;
  const auto bytes = static_cast<std::uint64_t>(numbers * x0.size(0)) * sizeof(float);
  return {bytes, bytes};
}

}  // namespace hn::core
