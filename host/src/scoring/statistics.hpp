// Means with standard errors, and paired differences: what the tables of a report stand on.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace hn::host {

// A mean over n values. standard_error is s/sqrt(n) with the unbiased s; NaN for fewer than two
// values, and so is the mean for none.
struct Mean {
  double mean = 0;
  double standard_error = 0;
  std::size_t n = 0;
};

// Values that are not finite are left out: the judge answers NaN where a column does not apply.
Mean mean_of(std::span<const double> values);

// A share with its confidence interval.
struct Interval {
  double value = 0, low = 0, high = 0;
};
// wins of n, and Wilson's score interval at 95 % (E. B. Wilson, JASA 1927): it stays inside 0..1
// and is honest for few samples. n = 0: NaN, 0 and 1.
Interval wilson(std::size_t wins, std::size_t n);

enum class Verdict { kUnclear, kBetter, kWorse };

// before and after of the same samples (same prompt, same noise), and their difference.
struct Paired {
  Mean before;
  Mean after;
  Mean difference;
};

// Samples of one group (the same prompt with several noises) are averaged first, so that n and the
// standard errors count prompts, not repetitions. Pairs where either side is not finite are left
// out. group[i] names sample i's group.
// Errors: HN_INVALID_ARGUMENT where the lengths differ.
Paired paired(std::span<const double> before, std::span<const double> after,
              std::span<const std::size_t> group);

// Several training runs (seeds), each with the differences of the same groups: rows[run][group].
// The variances of both ways to draw again, other prompts and other seeds, are added: conservative,
// since their overlap is counted twice. One run: its own standard error over the groups.
Mean pooled(const std::vector<std::vector<double>>& rows);

// Differences by group, in the order of the groups' first appearance; what pooled() takes. NaN for
// a group without a finite pair, so that runs stay aligned.
std::vector<double> group_differences(std::span<const double> before, std::span<const double> after,
                                      std::span<const std::size_t> group);

// Two standard errors decide; higher_is_better gives the sign its meaning.
Verdict verdict(const Mean& difference, bool higher_is_better);
std::string verdict_text(Verdict verdict);  // "better", "worse", "no clear change"

}  // namespace hn::host
