#include "search/methods.hpp"

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>

#include "config/fields.hpp"

namespace hn::search {

using host::SearchConfig;
using host::SearchMethod;

void Found::look(double value, std::span<const float> at) {
  values.push_back(value);
  if (values.size() > 1 && !(value > values[best])) return;
  best = values.size() - 1;
  noise.assign(at.begin(), at.end());
}

std::string_view method_name(SearchMethod method) {
  for (const auto& [name, value] : host::kSearchMethods)
    if (value == method) return name;
  return "";
}

bool needs_gradient(SearchMethod method) {
  return method == SearchMethod::kReno || method == SearchMethod::kLangevin;
}

void check_options(const SearchConfig& options) {
  if ((options.method == SearchMethod::kThreshold) != options.threshold.has_value())
    throw Error(HN_INVALID_ARGUMENT,
                options.threshold
                    ? "[search] threshold: is for the method \"threshold\" alone, got \"" +
                          std::string(method_name(options.method)) + "\""
                    : "[search] threshold: expected the reward at which a prompt's search ends, "
                      "got none");
}

std::int64_t threshold_allowance(const SearchConfig& options, std::size_t index,
                                 std::uint64_t before) {
  const auto own = options.n * (static_cast<std::int64_t>(index) + 1);
  const auto left = own - static_cast<std::int64_t>(before);
  const auto most =
      static_cast<std::int64_t>(std::floor(options.most * static_cast<double>(options.n)));
  return std::clamp<std::int64_t>(left, 1, std::max<std::int64_t>(most, 1));
}

std::vector<float> start_of(Objective& objective) {
  std::vector<float> x(objective.size());
  objective.normals(0, x);
  objective.transform(x);
  return x;
}

void neighbour(const Objective& objective, std::span<const float> x, double sigma,
               std::uint64_t number, std::span<float> out) {
  objective.normals(number, out);
  const auto fresh = static_cast<float>(sigma);
  const auto kept = static_cast<float>(std::sqrt(1 - sigma * sigma));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kept * x[i] + fresh * out[i];
}

void look_around(Objective& objective, std::span<const float> x, double sigma, std::int64_t count,
                 std::int64_t batch, Found& found) {
  const std::size_t size = objective.size();
  std::vector<float> noises;
  while (count > 0) {
    const auto now = static_cast<std::size_t>(std::min(batch, count));
    noises.resize(now * size);
    const std::span<float> all(noises);
    for (std::size_t i = 0; i < now; ++i)
      neighbour(objective, x, sigma, found.values.size() + i, all.subspan(i * size, size));
    const std::vector<double> values = objective.values(all);
    for (std::size_t i = 0; i < now; ++i) found.look(values[i], all.subspan(i * size, size));
    count -= static_cast<std::int64_t>(now);
  }
}

Found search(Objective& objective, const SearchConfig& options, std::int64_t most) {
  switch (options.method) {
    case SearchMethod::kBestOfN: return best_of_n(objective, most, options.batch);
    case SearchMethod::kThreshold:
      return best_of_n(objective, most, options.batch, options.threshold.value());
    case SearchMethod::kRandom: return random_search(objective, options);
    case SearchMethod::kZerothOrder: return zeroth_order(objective, options);
    case SearchMethod::kReno: return reno(objective, options);
    case SearchMethod::kLangevin: return langevin(objective, options);
  }
  throw Error(HN_INTERNAL, "[search] a method that is none");
}

}  // namespace hn::search
