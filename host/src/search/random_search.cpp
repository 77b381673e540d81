#include "search/methods.hpp"

namespace hn::search {

Found random_search(Objective& objective, const host::SearchConfig& options) {
  Found found;
  const std::vector<float> start = start_of(objective);
  found.look(objective.values(start).at(0), start);
  look_around(objective, start, options.sigma, options.n - 1, options.batch, found);
  return found;
}

}  // namespace hn::search
