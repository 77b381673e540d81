// Which state of the adapter a run keeps: measured on prompts apart, with fixed noise.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/training_prompts.hpp"
#include "core/session.hpp"
#include "scoring/evaluate.hpp"

namespace hn::host {

// One measurement: what training maximises, without the constant part,
//
//   objective = mean of [ sum_k weight_k scale_k score_k ] - R(0.5 |delta|^2)
//
// over the trained rewards, with R at the configured weight, whatever kl_target has raised it to.
// For reg = "norm", whose R needs more than |delta|, and for a fine-tune R is 0.
struct Measurement {
  std::uint64_t step = 0;
  double objective = 0;
  double standard_error = 0;  // of the mean over the samples
  double kl = 0;
};

class Validation {
 public:
  // Everything is borrowed. prompts: none turns it off.
  Validation(const RunConfig& config, const core::SessionSpec& spec, const TrainingPrompts& prompts,
             core::Session& session, const core::Services& services);

  bool on() const { return !plan_.prompts.empty(); }
  // At the start, every so many steps, and at the last one.
  bool due(std::uint64_t step) const;
  Measurement measure(std::uint64_t step) const;

  // A row of metrics.jsonl, and the rows read back.
  static nlohmann::ordered_json row(const Measurement& measurement);
  static std::vector<Measurement> rows(const std::vector<nlohmann::json>& metrics);

  // Whether the last of them is to be kept: it beats all before it, and 0.5 |delta|^2 is not beyond
  // twice the target.
  bool is_best(const std::vector<Measurement>& rows) const;
  // Why the training should go back to the kept state: the last one is worse than the first by
  // three standard errors of it; nothing otherwise.
  static std::string lost(const std::vector<Measurement>& rows);
  // Why it should end, or nothing: `patience` measurements in a row were not the best.
  std::string exhausted(const std::vector<Measurement>& rows) const;

 private:
  std::size_t best_of(const std::vector<Measurement>& rows) const;

  const RunConfig& config_;
  std::vector<double> slopes_;  // weight * loss_scale, 0 for what is not trained on
  double penalty_ = 0;          // R = penalty * 0.5 |delta|^2
  core::Session& session_;
  const core::Services& services_;
  EvaluationPlan plan_;
};

}  // namespace hn::host
