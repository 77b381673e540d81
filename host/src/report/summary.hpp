// summary.json: what a finished run says about itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "scoring/evaluate.hpp"

namespace hn::host {

// One reward of the run.
struct Measure {
  std::string name;
  double weight = 0;
  bool trained = true;
  bool higher_is_better = true;
  bool monitor = false;  // never trained on, measured on the way
};

// The prompts that the best state was chosen with.
struct ValidationFacts {
  std::size_t prompts = 0;
  bool apart = false;  // none is trained on or reported
};

// Milliseconds of one picture: its delta, and the picture itself without a noise network.
struct NetSpeed {
  double delta_milliseconds = 0, picture_milliseconds = 0;
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
  std::string stopped{};  // before its steps were done: why
  std::optional<core::BestState> best{};
  std::optional<ValidationFacts> validation{};
  std::optional<NetSpeed> net_speed{};  // none without a noise network
  nlohmann::ordered_json files{};       // SHA-256 of what others take from the run (file_sums)
};

// Times come from the rows of metrics.jsonl, so that they count a resumed run whole. docs/cli.md
// lists the fields.
nlohmann::ordered_json make_summary(const SummaryInput& input,
                                    const std::vector<nlohmann::json>& metrics);

// Who reads a summary: a page of several runs, or the answer of a finished one.
enum class SummaryUse { kCompare, kAnswer };

// summary.json with every key that its reader takes, of the right type. Errors: HN_NOT_FOUND,
// HN_DATA_LOSS; both name the file, what is wrong with it and what helps.
nlohmann::ordered_json read_summary(const std::filesystem::path& file, SummaryUse use);

// The process's largest resident size in bytes.
std::uint64_t peak_memory_bytes();

}  // namespace hn::host
