#include <cmath>

#include "search/methods.hpp"

namespace hn::search {

// x <- sqrt(1 - eta) x + (eta / 2 / temperature) d value / d x + sqrt(eta) z.
Found langevin(Objective& objective, const host::SearchConfig& options) {
  Found found;
  std::vector<float> x = start_of(objective);
  std::vector<float> gradient(x.size()), fresh(x.size());
  const auto kept = static_cast<float>(std::sqrt(1 - options.eta));
  const auto added = static_cast<float>(std::sqrt(options.eta));
  const auto drift = static_cast<float>(options.eta / 2 / options.temperature);
  for (std::int64_t step = 0; step < options.n; ++step) {
    if (step + 1 == options.n) {  // nobody would follow its gradient
      found.look(objective.values(x).at(0), x);
      break;
    }
    found.look(objective.gradients(x, gradient).at(0), x);
    objective.normals(static_cast<std::uint64_t>(step) + 1, fresh);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = kept * x[i] + drift * gradient[i] + added * fresh[i];
  }
  return found;
}

}  // namespace hn::search
