#include "scoring/variance.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <hn/cpp/error.hpp>
#include <limits>
#include <string>

#include "scoring/statistics.hpp"

namespace hn::host {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  double within = 0, between = 0;

  double share() const {
    const double all = within + std::max(between, 0.0);
    return all > 0 ? within / all : kNaN;
  }
};

// Means and sums of squares around them, a group each.
struct Group {
  double mean = 0, squares = 0;
};

Moments moments(const std::vector<Group>& groups, std::size_t without, double n) {
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == without) continue;
    sum += groups[i].mean;
    squares += groups[i].squares;
    ++count;
  }
  const double mean = sum / count;
  double between = 0;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (i != without) between += (groups[i].mean - mean) * (groups[i].mean - mean);
  const double msw = squares / (count * (n - 1)), msb = n * between / (count - 1);
  return {msw, (msb - msw) / n};
}

// Of the leave-one-out values: sqrt((P - 1) / P sum (x - mean)^2).
double jackknife(const std::vector<double>& values) {
  if (values.size() < 3) return kNaN;
  const Mean mean = mean_of(values);
  if (mean.n != values.size()) return kNaN;
  return mean.standard_error * (static_cast<double>(values.size()) - 1);
}

}  // namespace

double expected_maximum(std::span<const double> values, std::size_t n) {
  const std::size_t count = values.size();
  if (n < 1 || n > count)
    throw Error(HN_INVALID_ARGUMENT, "[expected_maximum] expected n of 1 to " +
                                         std::to_string(count) + ", got " + std::to_string(n));
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  // The share of subsets whose maximum is the k-th largest: n / N for the first, and each next one
  // is (N - n - k + 1) / (N - k) of the one before.
  double share = static_cast<double>(n) / static_cast<double>(count), sum = 0;
  for (std::size_t k = 1; k + n <= count + 1; ++k) {
    sum += share * sorted[k - 1];
    if (k == count) break;
    share *= static_cast<double>(count - n - k + 1) / static_cast<double>(count - k);
  }
  return sum;
}

double normal_maximum(std::size_t n) {
  if (n <= 1) return 0;
  // E max = integral of x dF^n, F the normal distribution: by parts, over where F^n is not 0 or 1.
  constexpr double kEdge = 12, kStep = 1e-3;
  double sum = 0;
  for (double x = -kEdge + kStep / 2; x < kEdge; x += kStep) {
    const double f = 0.5 * std::erfc(-x / std::sqrt(2.0));
    const double power = std::pow(f, static_cast<double>(n));
    sum += x < 0 ? -power : 1 - power;
  }
  return sum * kStep;
}

VarianceComponents variance_components(const std::vector<std::vector<double>>& rows) {
  const std::size_t size = rows.empty() ? 0 : rows[0].size();
  std::vector<Group> groups;
  for (const auto& row : rows) {
    if (row.size() != size || size < 2)
      throw Error(HN_INVALID_ARGUMENT,
                  "[variance_components] expected at least 2 values in every group, as many in "
                  "each, got " +
                      std::to_string(row.size()));
    Group group;
    group.mean = mean_of(row).mean;
    for (const double value : row) group.squares += (value - group.mean) * (value - group.mean);
    groups.push_back(group);
  }
  if (groups.size() < 2)
    throw Error(HN_INVALID_ARGUMENT, "[variance_components] expected at least 2 groups, got " +
                                         std::to_string(groups.size()));
  const auto n = static_cast<double>(size);
  const Moments all = moments(groups, groups.size(), n);
  std::vector<double> within, between, share;
  for (std::size_t i = 0; groups.size() > 2 && i < groups.size(); ++i) {
    const Moments one = moments(groups, i, n);
    within.push_back(one.within);
    between.push_back(one.between);
    share.push_back(one.share());
  }
  return {{all.within, jackknife(within)},
          {all.between, jackknife(between)},
          {all.share(), jackknife(share)}};
}

}  // namespace hn::host
