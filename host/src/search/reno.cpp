#include <algorithm>
#include <cmath>

#include "search/methods.hpp"

namespace hn::search {
namespace {

double square_sum(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return sum;
}

// Adds the gradient of -reg_weight (|x|^2 / 2 - (d - 1) log |x|): of the log density of the norm of
// d standard normal numbers.
void add_norm_term(std::span<const float> x, double reg_weight, std::span<float> gradient) {
  const auto d = static_cast<double>(x.size());
  const auto factor = static_cast<float>(reg_weight * (1 - (d - 1) / square_sum(x)));
  for (std::size_t i = 0; i < x.size(); ++i) gradient[i] -= factor * x[i];
}

// As torch.nn.utils.clip_grad_norm_.
void clip_norm(std::span<float> gradient, double most) {
  if (most == 0) return;
  const auto factor =
      static_cast<float>(std::min(1.0, most / (std::sqrt(square_sum(gradient)) + 1e-6)));
  for (float& value : gradient) value *= factor;
}

}  // namespace

// The step of torch.optim.SGD, upwards: the velocity begins as the first gradient.
Found reno(Objective& objective, const host::SearchConfig& options) {
  Found found;
  std::vector<float> x = start_of(objective);
  std::vector<float> gradient(x.size()), velocity;
  const auto momentum = static_cast<float>(options.momentum), lr = static_cast<float>(options.lr);
  for (std::int64_t step = 0; step < options.n; ++step) {
    if (step + 1 == options.n) {  // nobody would follow its gradient
      found.look(objective.values(x).at(0), x);
      break;
    }
    found.look(objective.gradients(x, gradient).at(0), x);
    add_norm_term(x, options.reg_weight, gradient);
    clip_norm(gradient, options.clip);
    if (velocity.empty()) {
      velocity = gradient;
    } else {
      for (std::size_t i = 0; i < x.size(); ++i) velocity[i] = momentum * velocity[i] + gradient[i];
    }
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] += lr * (options.nesterov ? gradient[i] + momentum * velocity[i] : velocity[i]);
  }
  return found;
}

}  // namespace hn::search
