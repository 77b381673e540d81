#include "scoring/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <limits>
#include <map>

namespace hn::host {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Groups {
  std::vector<double> before, after, difference;
};

Groups by_group(std::span<const double> before, std::span<const double> after,
                std::span<const std::size_t> group) {
  if (before.size() != after.size() || before.size() != group.size())
    throw Error(HN_INVALID_ARGUMENT,
                "[paired] expected as many values before, after and groups, got " +
                    std::to_string(before.size()) + ", " + std::to_string(after.size()) + " and " +
                    std::to_string(group.size()));
  std::map<std::size_t, std::size_t> place;  // group -> index by first appearance
  Groups sums;
  std::vector<std::size_t> count;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto [at, fresh] = place.emplace(group[i], count.size());
    if (fresh) {
      sums.before.push_back(0);
      sums.after.push_back(0);
      count.push_back(0);
    }
    if (!std::isfinite(before[i]) || !std::isfinite(after[i])) continue;
    sums.before[at->second] += before[i];
    sums.after[at->second] += after[i];
    ++count[at->second];
  }
  for (std::size_t i = 0; i < count.size(); ++i) {
    const double n = count[i] == 0 ? kNaN : static_cast<double>(count[i]);
    sums.before[i] /= n;
    sums.after[i] /= n;
    sums.difference.push_back(sums.after[i] - sums.before[i]);
  }
  return sums;
}

}  // namespace

Mean mean_of(std::span<const double> values) {
  Mean out;
  double sum = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++out.n;
  }
  out.mean = out.n == 0 ? kNaN : sum / static_cast<double>(out.n);
  double squares = 0;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - out.mean) * (value - out.mean);
  const auto n = static_cast<double>(out.n);
  out.standard_error = out.n < 2 ? kNaN : std::sqrt(squares / (n - 1) / n);
  return out;
}

Paired paired(std::span<const double> before, std::span<const double> after,
              std::span<const std::size_t> group) {
  const Groups groups = by_group(before, after, group);
  return {mean_of(groups.before), mean_of(groups.after), mean_of(groups.difference)};
}

std::vector<double> group_differences(std::span<const double> before, std::span<const double> after,
                                      std::span<const std::size_t> group) {
  return by_group(before, after, group).difference;
}

Mean pooled(const std::vector<std::vector<double>>& rows) {
  if (rows.empty()) return mean_of({});
  if (rows.size() == 1) return mean_of(rows[0]);
  std::vector<double> by_run;
  for (const auto& row : rows) {
    if (row.size() != rows[0].size())
      throw Error(HN_INVALID_ARGUMENT, "[pooled] expected the same groups in every run, got " +
                                           std::to_string(row.size()) + " and " +
                                           std::to_string(rows[0].size()));
    by_run.push_back(mean_of(row).mean);
  }
  std::vector<double> over_runs;
  for (std::size_t g = 0; g < rows[0].size(); ++g) {
    std::vector<double> column;
    for (const auto& row : rows) column.push_back(row[g]);
    over_runs.push_back(mean_of(column).mean);
  }
  const Mean prompts = mean_of(over_runs);
  const Mean seeds = mean_of(by_run);
  return {seeds.mean, std::hypot(prompts.standard_error, seeds.standard_error), prompts.n};
}

Interval wilson(std::size_t wins, std::size_t n) {
  if (n == 0) return {kNaN, 0, 1};
  constexpr double z = 1.959963984540054;  // of 95 %
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(wins) / count;
  const double below = 1 + z * z / count;
  const double middle = (share + z * z / (2 * count)) / below;
  const double half =
      z / below * std::sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  return {share, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Verdict verdict(const Mean& difference, bool higher_is_better) {
  // Also false for a NaN: one sample proves nothing.
  if (!(std::abs(difference.mean) > 2 * difference.standard_error)) return Verdict::kUnclear;
  return (difference.mean > 0) == higher_is_better ? Verdict::kBetter : Verdict::kWorse;
}

std::string verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBetter: return "better";
    case Verdict::kWorse: return "worse";
    case Verdict::kUnclear: break;
  }
  return "no clear change";
}

}  // namespace hn::host
