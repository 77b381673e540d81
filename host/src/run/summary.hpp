// summary.json: what a finished run says about itself.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "run/evaluate.hpp"

namespace hn::run {

// One reward of the run.
struct Measure {
  std::string name;
  double weight = 0;
  bool trained = true;
  bool higher_is_better = true;
  bool monitor = false;  // never trained on, measured on the way
};

struct SummaryInput {
  const host::RunConfig& config;
  const std::vector<Measure>& measures;
  const EvaluationPlan& plan;
  const Scores& before;
  const Scores& after;
  const core::Shapes& shapes;
  std::uint64_t step = 0;
  std::optional<double> lipschitz;  // the largest over a few prompts; none without a noise network
  std::string name{};
  std::vector<std::string> picture_prompts{};
  std::string stopped{};  // by a guard: why
};

// Times come from the rows of metrics.jsonl, so that they count a resumed run whole. docs/cli.md
// lists the fields.
nlohmann::ordered_json make_summary(const SummaryInput& input,
                                    const std::vector<nlohmann::json>& metrics);

// The process's largest resident size in bytes.
std::uint64_t peak_memory_bytes();

}  // namespace hn::run
