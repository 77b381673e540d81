#include <ATen/ATen.h>

#include <cmath>
#include <hn/nn/timestep_embedding.hpp>

namespace hn {

at::Tensor timestep_waves(double value, std::int64_t channels, double freq_shift, at::Device device,
                          bool flip_sin_to_cos) {
  constexpr double kMaxPeriod = 10000;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const std::int64_t half = channels / 2;
  const auto exponent =
      at::arange(half, options) * -std::log(kMaxPeriod) / (static_cast<double>(half) - freq_shift);
  const auto angle = at::full({1, 1}, value, options) * exponent.exp();
  return flip_sin_to_cos ? at::cat({angle.cos(), angle.sin()}, -1)
                         : at::cat({angle.sin(), angle.cos()}, -1);
}

TimestepEmbedding::TimestepEmbedding(const Builder& builder, const std::string& name,
                                     std::int64_t in, std::int64_t width)
    : first_(builder, name + ".linear_1", in, width, true),
      second_(builder, name + ".linear_2", width, width, true) {}

at::Tensor TimestepEmbedding::operator()(const at::Tensor& x, const LoraSet& lora) const {
  return second_(at::silu(first_(x, lora)), lora);
}

}  // namespace hn
