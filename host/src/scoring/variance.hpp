// Where the spread of a reward comes from, and what the best of several draws is worth.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hn::host {

// The expected maximum of n values drawn without replacement from these N, n <= N: the mean over
// all subsets, without bias for the expected maximum of n new draws (a U-statistic). With the
// values in ascending order it is sum_i C(i - 1, n - 1) / C(N, n) x_i. n is 1 to N;
// HN_INVALID_ARGUMENT for anything else.
double expected_maximum(std::span<const double> values, std::size_t n);

// The expected maximum of n standard normal numbers, to 1e-6; 0 for n = 1.
double normal_maximum(std::size_t n);

// A number and its standard error.
struct Estimate {
  double value = 0, standard_error = 0;
};

// One-way random effects: x_ij = mean + b_i + w_ij with variances `between` and `within`. Moments:
// within = MSW, between = (MSB - MSW) / N, which may come out below 0 where it is small.
struct VarianceComponents {
  Estimate within, between;
  // within / (within + max(between, 0)); NaN where both are 0.
  Estimate share_within;
};
// rows: P groups of N values each, P and N at least 2; HN_INVALID_ARGUMENT otherwise. Standard
// errors by the jackknife over groups, NaN for P = 2.
VarianceComponents variance_components(const std::vector<std::vector<double>>& rows);

}  // namespace hn::host
