#include <algorithm>

#include "search/methods.hpp"

namespace hn::search {

// Arbitrary radii in place of a fixed one, and the pivot stays where no neighbour is better: its
// value is known, so that keeping it costs nothing.
Found zeroth_order(Objective& objective, const host::SearchConfig& options) {
  Found found;
  const std::vector<float> start = start_of(objective);
  found.look(objective.values(start).at(0), start);
  for (std::int64_t left = options.n - 1; left > 0; left -= options.neighbours) {
    const std::vector<float> pivot = found.noise;
    look_around(objective, pivot, options.sigma, std::min(left, options.neighbours), options.batch,
                found);
  }
  return found;
}

}  // namespace hn::search
