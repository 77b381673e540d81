#include "core/loss.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace hn::core {
namespace {

// Sums of squares in double: with 65,536 numbers a sample float32 would keep five digits.
at::Tensor square_sums(const at::Tensor& x) {
  const at::Tensor norm =
      at::linalg_vector_norm(x.flatten(1), 2, at::IntArrayRef{1}, false, at::kDouble);
  return norm * norm;
}

}  // namespace

RegulariserTerms regulariser(Regulariser kind, double reg_weight, const at::Tensor& x0,
                             const at::Tensor& delta, double gradient_scale, at::Tensor& gradient) {
  RegulariserTerms terms;
  const std::int64_t batch = delta.size(0);
  const auto d = static_cast<double>(batch == 0 ? 1 : delta.numel() / batch);
  const at::Tensor squares = square_sums(delta);
  terms.half_square = squares * 0.5;
  if (kind == Regulariser::kNorm) {
    const at::Tensor x = x0 + delta;
    const at::Tensor r2 = square_sums(x);
    const double minimum = (d - 1) / 2 * (1 - std::log(d - 1));
    terms.value = reg_weight * (r2 * 0.5 - (d - 1) / 2 * r2.log() - minimum);
    std::vector<std::int64_t> ones(static_cast<std::size_t>(delta.dim()), 1);
    ones[0] = batch;
    const at::Tensor factor =
        (gradient_scale * reg_weight * (1 - (d - 1) / r2)).to(at::kFloat).view(ones);
    gradient.addcmul_(x, factor);
    return terms;
  }
  const double share = kind == Regulariser::kMean ? reg_weight / d : reg_weight;
  terms.value = terms.half_square * share;
  gradient.add_(delta, gradient_scale * share);
  return terms;
}

}  // namespace hn::core
