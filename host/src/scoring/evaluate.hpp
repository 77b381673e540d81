// Held-out prompts with fixed noise, sampled and scored by every reward, measured-only ones too.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"
#include "files/image.hpp"
#include "scoring/statistics.hpp"

namespace hn::host {

struct EvaluationPlan {
  std::vector<core::Prompt> prompts;
  std::vector<std::int64_t> seeds;  // one noise a prompt and seed
  std::int64_t batch = 16;
  std::vector<std::string> rewards;  // names, in the session's order; "": not measured
  core::Weights weights = core::Weights::kKept;
};

// One state of the adapter. Sample order: all prompts with the first seed, then with the second...
struct Scores {
  // "clip", "judge", and a reward's further outputs as "judge.counting"; NaN: does not apply, or
  // missing.
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  double kl = 0;  // 0.5 sum(delta^2) a sample, mean
  // By reward and sample: why there is no number.
  std::map<std::string, std::map<std::size_t, std::string>> missing;

  const std::vector<double>* find(const std::string& name) const;
};

// Prompts without a number of one reward, and the first reason.
struct Unanswered {
  std::string reward;
  std::size_t prompts = 0, of = 0;
  std::string why;

  std::string text() const;  // "judge: 1 of 2 prompts not answered: ..."
};
// Of several states of the adapter together; in the order of the plan's rewards.
std::vector<Unanswered> unanswered(std::initializer_list<const Scores*> states,
                                   const EvaluationPlan& plan);
nlohmann::ordered_json to_json(const std::vector<Unanswered>& rows);

// Images of one request are kept below this many bytes; larger plans are sampled in parts.
inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{512} << 20;

// Samples with the adapter or without it, and scores. What a reward cannot answer is missing, the
// rest goes on. Part k of a plan that is too large for one
// request draws its noise from seed + (k << 32): before and after agree whatever the size.
// Errors: those of the session.
Scores evaluate(core::Session& session, const core::Services& services, const EvaluationPlan& plan,
                bool adapted, const std::string& what);

// The prompt of each sample, as an index: what paired() groups by.
std::vector<std::size_t> prompt_groups(const EvaluationPlan& plan);

// A picture for each prompt.
std::vector<Image> pictures(core::Session& session, const std::vector<core::Prompt>& prompts,
                            std::uint64_t seed, std::int64_t batch, bool adapted,
                            core::Weights weights = core::Weights::kKept);

nlohmann::ordered_json to_json(const Scores& scores);
Scores scores_from_json(const nlohmann::ordered_json& json, const std::string& where);
nlohmann::ordered_json to_json(const Mean& mean);
// null where it is not finite.
nlohmann::ordered_json finite_or_null(double value);

}  // namespace hn::host
