#include "run/validation.hpp"

#include <algorithm>
#include <cmath>

#include "core/shape_numbers.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

constexpr double kMostTargets = 2, kLostErrors = 3;

double penalty_of(const RunConfig& config, const core::Session& session) {
  if (!core::is_noise_net(config.net.kind)) return 0;
  const double numbers = core::shape_numbers(session.shapes().noise);
  switch (config.train.spec.reg) {
    case core::Regulariser::kMean: return config.train.spec.reg_weight / numbers;
    case core::Regulariser::kPaper: return config.train.spec.reg_weight;
    case core::Regulariser::kNorm: break;
  }
  return 0;
}

}  // namespace

Validation::Validation(const RunConfig& config, const core::SessionSpec& spec,
                       const TrainingPrompts& prompts, core::Session& session,
                       const core::Services& services)
    : config_(config),
      penalty_(penalty_of(config, session)),
      session_(session),
      services_(services) {
  plan_.prompts = prompts.validation;
  plan_.seeds = {config.validation.seed};
  plan_.batch = config.eval.batch;
  plan_.weights = core::Weights::kAverage;
  for (const core::RewardSpec& reward : spec.rewards) {
    slopes_.push_back(reward.train ? reward.weight * reward.loss_scale : 0);
    plan_.rewards.push_back(reward.train ? reward.name : "");
  }
}

bool Validation::due(std::uint64_t step) const {
  if (!on()) return false;
  const auto steps = static_cast<std::uint64_t>(config_.train.spec.steps);
  const auto every = config_.validation.every > 0
                         ? static_cast<std::uint64_t>(config_.validation.every)
                         : std::max<std::uint64_t>(1, steps / 10);
  return step % every == 0 || step == steps;
}

Measurement Validation::measure(std::uint64_t step) const {
  const Scores scores = evaluate(session_, services_, plan_, /*adapted=*/true, "validating");
  std::vector<double> sums(plan_.prompts.size(), 0);
  for (std::size_t k = 0; k < slopes_.size(); ++k) {
    const std::vector<double>* column = scores.find(plan_.rewards[k]);
    if (slopes_[k] == 0 || column == nullptr) continue;
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += slopes_[k] * (*column)[i];
  }
  const Mean mean = mean_of(sums);
  return {step, mean.mean - penalty_ * scores.kl, mean.standard_error, scores.kl};
}

nlohmann::ordered_json Validation::row(const Measurement& m) {
  return {{"step", m.step},
          {"kind", "validation"},
          {"objective", finite_or_null(m.objective)},
          {"se", finite_or_null(m.standard_error)},
          {"kl", finite_or_null(m.kl)}};
}

std::vector<Measurement> Validation::rows(const std::vector<nlohmann::json>& metrics) {
  const auto number = [](const nlohmann::json& row, const char* key) {
    const auto found = row.find(key);
    return found != row.end() && found->is_number() ? found->get<double>() : std::nan("");
  };
  std::vector<Measurement> rows;
  for (const auto& row : metrics)
    if (row.value("kind", "") == "validation")
      rows.push_back({row.at("step").get<std::uint64_t>(), number(row, "objective"),
                      number(row, "se"), number(row, "kl")});
  return rows;
}

// The first of the best ones that may be kept; the start where none may.
std::size_t Validation::best_of(const std::vector<Measurement>& rows) const {
  const double target = session_.shapes().kl_target;
  std::size_t best = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (target > 0 && !(rows[i].kl <= kMostTargets * target)) continue;
    if (rows[i].objective > rows[best].objective || !std::isfinite(rows[best].objective)) best = i;
  }
  return best;
}

bool Validation::is_best(const std::vector<Measurement>& rows) const {
  return !rows.empty() && std::isfinite(rows.back().objective) && best_of(rows) + 1 == rows.size();
}

std::string Validation::lost(const std::vector<Measurement>& rows) {
  if (rows.size() < 2) return {};
  const Measurement& start = rows.front();
  const Measurement& last = rows.back();
  const double least = start.objective - kLostErrors * start.standard_error;
  if (last.objective >= least || !std::isfinite(least)) return {};
  return cat("the validation prompts' objective is ", last.objective, ", at the start it was ",
             start.objective, " (standard error ", start.standard_error, ")");
}

std::string Validation::exhausted(const std::vector<Measurement>& rows) const {
  const auto patience = static_cast<std::size_t>(config_.validation.patience);
  if (patience == 0 || rows.empty()) return {};
  const std::size_t best = best_of(rows);
  if (rows.size() - 1 - best < patience) return {};
  return cat("no better state on the validation prompts in ", patience, " measurements since step ",
             rows[best].step);
}

}  // namespace hn::host
