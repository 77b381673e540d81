// How much the noise can do for a reward, measured before anybody trains: docs/numerics.md,
// "Headroom".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scoring/statistics.hpp"
#include "scoring/variance.hpp"

namespace hn::host {

// Values are higher for better.
struct HeadroomInput {
  std::vector<std::vector<double>> values;  // [P][N]: N seeds of each of P prompts, each at least 2
  std::vector<double> again;                // [P]: values[i][0], computed once more
  // [P]: the norm of d value / d noise at the first seed; nothing where there is no gradient.
  std::optional<std::vector<double>> gradient_norms;
  std::string no_gradient;      // why there is none: "judge is score-only"
  std::int64_t evaluated = 64;  // prompts of an evaluation (eval.count)
};

enum class HeadroomVerdict { kTrain, kSearchOnly, kLittle, kNothing };

struct Headroom {
  // (n, gain): the expected best of n draws less the expected single one; n = 1, 2, 4, ..., N.
  std::vector<std::pair<std::size_t, Mean>> best_of;
  VarianceComponents variance;
  double repeat_deviation = 0;  // of one value computed twice
  double floor = 0;             // the gain of N draws that this deviation alone would give
  double seen =
      0;  // two standard errors of a mean over `evaluated` prompts drawn anew, one seed each
  std::optional<Mean> gradient_norm;
  std::optional<Mean> kl_gain;  // sqrt(2) |gradient|: first-order gain of the best step of KL 1
  HeadroomVerdict verdict = HeadroomVerdict::kNothing;
  std::string why;
};

// With gain the one of N draws, less two of its standard errors:
//   nothing to gain   gain <= floor: not told apart from a value that ignores the noise
//   little to gain    gain <= seen: an evaluation would hardly notice even the best of N draws
//   search only       no gradient, or one that is zero for every prompt
//   train             otherwise
// HN_INVALID_ARGUMENT for fewer than 2 prompts or seeds, rows of other lengths, and what is not
// finite.
Headroom headroom(const HeadroomInput& input);

std::string headroom_text(HeadroomVerdict verdict);  // "train", "search only", ...
nlohmann::ordered_json to_json(const Headroom& headroom);

}  // namespace hn::host
