// Held-out prompts with fixed noise, sampled and scored by every reward, measured-only ones too.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"
#include "run/image.hpp"
#include "run/statistics.hpp"

namespace hn::run {

struct EvaluationPlan {
  std::vector<std::string> prompts;
  std::vector<std::int64_t> seeds;  // one noise a prompt and seed
  std::int64_t batch = 16;
  std::vector<std::string> rewards;  // names, in the session's order
};

// One state of the adapter. Sample order: all prompts with the first seed, then with the second...
struct Scores {
  // "clip", "judge", and a reward's further outputs as "judge.counting"; NaN: does not apply.
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  double kl = 0;  // 0.5 sum(delta^2) a sample, mean

  const std::vector<double>* find(const std::string& name) const;
};

// Images of one request are kept below this many bytes; larger plans are sampled in parts.
inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{512} << 20;

// Samples with the adapter or without it, and scores. Part k of a plan that is too large for one
// request draws its noise from seed + (k << 32): before and after agree whatever the size.
// Errors: those of the session.
Scores evaluate(core::Session& session, const core::Services& services, const EvaluationPlan& plan,
                bool adapted, const std::string& what);

// The prompt of each sample, as an index: what paired() groups by.
std::vector<std::size_t> prompt_groups(const EvaluationPlan& plan);

// A picture for each prompt.
std::vector<Image> pictures(core::Session& session, const std::vector<std::string>& prompts,
                            std::uint64_t seed, std::int64_t batch, bool adapted);

nlohmann::ordered_json to_json(const Scores& scores);
Scores scores_from_json(const nlohmann::json& json, const std::string& where);
nlohmann::ordered_json to_json(const Mean& mean);
// null where it is not finite.
nlohmann::ordered_json finite_or_null(double value);

}  // namespace hn::run
