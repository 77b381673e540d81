#include <algorithm>

#include "search/methods.hpp"

namespace hn::search {

Found best_of_n(Objective& objective, std::int64_t n, std::int64_t batch, double bound) {
  Found found;
  const std::size_t size = objective.size();
  std::vector<float> noises;
  for (std::int64_t first = 0; first < n; first += batch) {
    const auto count = static_cast<std::size_t>(std::min(batch, n - first));
    noises.resize(count * size);
    const std::span<float> all(noises);
    for (std::size_t i = 0; i < count; ++i)
      objective.normals(static_cast<std::uint64_t>(first) + i, all.subspan(i * size, size));
    objective.transform(all);
    const std::vector<double> values = objective.values(all);
    for (std::size_t i = 0; i < count; ++i) {
      found.look(values[i], all.subspan(i * size, size));
      if (values[i] >= bound) return found;
    }
  }
  return found;
}

}  // namespace hn::search
