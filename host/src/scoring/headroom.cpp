#include "scoring/headroom.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <hn/cpp/error.hpp>

#include "scoring/evaluate.hpp"

namespace hn::host {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(HN_INVALID_ARGUMENT, "[headroom] " + text);
}

void check(const HeadroomInput& input) {
  const std::size_t prompts = input.values.size();
  if (prompts < 2) refuse("expected at least 2 prompts, got " + std::to_string(prompts));
  if (input.again.size() != prompts ||
      (input.gradient_norms && input.gradient_norms->size() != prompts))
    refuse("expected one repeated value and one gradient norm a prompt");
  for (std::size_t i = 0; i < prompts; ++i) {
    const auto& row = input.values[i];
    if (row.size() < 2 || row.size() != input.values[0].size())
      refuse("expected at least 2 seeds, as many for every prompt, got " +
             std::to_string(row.size()));
    const bool finite =
        std::all_of(row.begin(), row.end(), [](double v) { return std::isfinite(v); }) &&
        std::isfinite(input.again[i]) &&
        (!input.gradient_norms || std::isfinite((*input.gradient_norms)[i]));
    if (!finite) refuse("expected finite values, got others at prompt " + std::to_string(i));
  }
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

std::string percent(double share) { return number(100 * share) + " %"; }

void judge(const HeadroomInput& input, Headroom& h) {
  const auto& [n, gain] = h.best_of.back();
  const double sure = gain.mean - 2 * gain.standard_error;
  const std::string best = "the best of " + std::to_string(n) + " seeds gains " +
                           number(gain.mean) + " ± " + number(gain.standard_error);
  // Also for a NaN: nothing was shown.
  if (!(sure > h.floor)) {
    h.verdict = HeadroomVerdict::kNothing;
    h.why = best + ", not told apart from the " + number(h.floor) +
            " that computing one value twice would give: the reward does not react to the noise";
    return;
  }
  if (!(sure > h.seen)) {
    h.verdict = HeadroomVerdict::kLittle;
    h.why = best + "; a mean over " + std::to_string(input.evaluated) +
            " prompts drawn anew is sure to " + number(h.seen) +
            " only. The prompt decides: seeds make " + percent(h.variance.share_within.value) +
            " of the variance";
    return;
  }
  if (!input.gradient_norms || h.gradient_norm->mean == 0) {
    h.verdict = HeadroomVerdict::kSearchOnly;
    h.why = best + ", but there is no gradient to train by: " +
            (input.gradient_norms ? std::string("it is zero for every prompt") : input.no_gradient);
    return;
  }
  h.verdict = HeadroomVerdict::kTrain;
  h.why = best + ", and a step of KL 1 along the gradient promises " + number(h.kl_gain->mean) +
          "; seeds make " + percent(h.variance.share_within.value) + " of the variance";
}

nlohmann::ordered_json to_json(const Estimate& estimate) {
  return {{"value", finite_or_null(estimate.value)},
          {"se", finite_or_null(estimate.standard_error)}};
}

}  // namespace

Headroom headroom(const HeadroomInput& input) {
  check(input);
  Headroom h;
  const std::size_t seeds = input.values[0].size();
  std::vector<std::size_t> sizes;
  for (std::size_t n = 1; n < seeds; n *= 2) sizes.push_back(n);
  sizes.push_back(seeds);
  for (const std::size_t n : sizes) {
    std::vector<double> gains;
    for (std::vector<double> row : input.values) {
      // Around one of them, so that equal values have the gain 0 to the last bit.
      for (std::size_t j = row.size(); j-- > 0;) row[j] -= row[0];
      gains.push_back(expected_maximum(row, n) - expected_maximum(row, 1));
    }
    h.best_of.emplace_back(n, mean_of(gains));
  }
  h.variance = variance_components(input.values);
  double squares = 0;
  for (std::size_t i = 0; i < input.again.size(); ++i) {
    const double difference = input.values[i][0] - input.again[i];
    squares += difference * difference / 2;
  }
  h.repeat_deviation = std::sqrt(squares / static_cast<double>(input.again.size()));
  h.floor = h.repeat_deviation * normal_maximum(seeds);
  h.seen = 2 * std::sqrt((h.variance.within.value + std::max(h.variance.between.value, 0.0)) /
                         static_cast<double>(std::max<std::int64_t>(input.evaluated, 1)));
  if (input.gradient_norms) {
    h.gradient_norm = mean_of(*input.gradient_norms);
    h.kl_gain = h.gradient_norm;
    h.kl_gain->mean *= std::sqrt(2.0);
    h.kl_gain->standard_error *= std::sqrt(2.0);
  }
  judge(input, h);
  return h;
}

std::string headroom_text(HeadroomVerdict verdict) {
  switch (verdict) {
    case HeadroomVerdict::kTrain: return "train";
    case HeadroomVerdict::kSearchOnly: return "search only";
    case HeadroomVerdict::kLittle: return "little to gain";
    case HeadroomVerdict::kNothing: break;
  }
  return "nothing to gain";
}

nlohmann::ordered_json to_json(const Headroom& h) {
  nlohmann::ordered_json out = {{"verdict", headroom_text(h.verdict)}, {"why", h.why}};
  out["best_of"] = nlohmann::ordered_json::array();
  for (const auto& [n, gain] : h.best_of)
    out["best_of"].push_back({{"n", n}, {"gain", to_json(gain)}});
  out["variance"] = {{"within_prompts", to_json(h.variance.within)},
                     {"between_prompts", to_json(h.variance.between)},
                     {"share_within", to_json(h.variance.share_within)}};
  out["repeat_deviation"] = h.repeat_deviation;
  out["floor"] = h.floor;
  out["seen"] = h.seen;
  out["gradient_norm"] = h.gradient_norm ? to_json(*h.gradient_norm) : nullptr;
  out["kl_gain"] = h.kl_gain ? to_json(*h.kl_gain) : nullptr;
  return out;
}

}  // namespace hn::host
