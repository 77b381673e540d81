#include "support/nearest.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "support/cat.hpp"

namespace hn::host {
namespace {

std::string folded(std::string_view text) {
  std::string out = absl::AsciiStrToLower(to_absl(text));
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view raw_a, std::string_view raw_b) {
  const std::string a = folded(raw_a), b = folded(raw_b);
  // Three rows of the optimal string alignment table.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::vector<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates,
                                 std::size_t most) {
  const std::string wanted = folded(name);
  // Two slips in a short word make another word.
  const std::size_t allowed = wanted.size() <= 4 ? 1 : std::max<std::size_t>(2, wanted.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& candidate : candidates) {
    const std::string known = folded(candidate);
    std::size_t distance = edit_distance(wanted, known);
    const bool begins = wanted.size() >= 2 && known.size() >= 2 &&
                        (absl::StartsWith(known, wanted) || absl::StartsWith(wanted, known));
    if (begins) distance = std::min<std::size_t>(distance, 1);
    if (distance <= allowed && distance < known.size()) near.emplace_back(distance, candidate);
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::vector<std::string> names;
  for (auto& [distance, candidate] : near)
    if (names.size() < most) names.push_back(std::move(candidate));
  return names;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string> near = nearest(name, candidates);
  if (!near.empty()) return cat("; did you mean '", absl::StrJoin(near, "' or '"), "'?");
  if (candidates.empty()) return "";
  return cat("; known: ", absl::StrJoin(candidates, ", "));
}

}  // namespace hn::host
