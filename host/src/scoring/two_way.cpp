#include "scoring/two_way.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "support/cat.hpp"

namespace hn::host {

TwoWay two_way(std::span<const std::span<const float>> vectors, std::size_t prompts,
               std::size_t seeds) {
  if (prompts < 2 || seeds < 2 || vectors.size() != prompts * seeds)
    throw Error(
        HN_INVALID_ARGUMENT,
        cat("[two-way] expected a vector for each of 2 or more prompts and 2 or more seeds, "
            "got ",
            prompts, ", ", seeds, " and ", vectors.size(), " vectors"));
  const std::size_t size = vectors[0].size();
  for (const auto& vector : vectors)
    if (vector.size() != size)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[two-way] expected vectors of ", size, " numbers, got ", vector.size()));
  const auto p = static_cast<double>(prompts), s = static_cast<double>(seeds);
  double square_mean = 0, of_prompts = 0, of_seeds = 0, of_both = 0;
  std::vector<double> prompt_means(prompts), seed_means(seeds);
  for (std::size_t i = 0; i < size; ++i) {
    std::fill(prompt_means.begin(), prompt_means.end(), 0);
    std::fill(seed_means.begin(), seed_means.end(), 0);
    double mean = 0;
    for (std::size_t a = 0; a < prompts; ++a)
      for (std::size_t b = 0; b < seeds; ++b) {
        const double v = vectors[a * seeds + b][i];
        prompt_means[a] += v / s;
        seed_means[b] += v / p;
        mean += v / (p * s);
      }
    square_mean += mean * mean;
    for (const double each : prompt_means) of_prompts += s * (each - mean) * (each - mean);
    for (const double each : seed_means) of_seeds += p * (each - mean) * (each - mean);
    for (std::size_t a = 0; a < prompts; ++a)
      for (std::size_t b = 0; b < seeds; ++b) {
        const double rest = vectors[a * seeds + b][i] - prompt_means[a] - seed_means[b] + mean;
        of_both += rest * rest;
      }
  }
  const double both = of_both / ((p - 1) * (s - 1));
  TwoWay found;
  found.both = both;
  found.prompt = std::max(0.0, (of_prompts / (p - 1) - both) / s);
  found.noise = std::max(0.0, (of_seeds / (s - 1) - both) / p);
  found.constant = std::max(0.0, square_mean - found.prompt / p - found.noise / s - both / (p * s));
  return found;
}

}  // namespace hn::host
