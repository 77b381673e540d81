// The paper's tables and figures from what its trainings and searches left behind.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "paper_plan.hpp"

namespace hn::cli {

// What one job gave: means over the prompts, and each prompt's own numbers for errors and
// categories. A fine-tune's network costs nothing; a search's seconds are those of its noises.
struct PaperResult {
  PaperJob job;
  std::vector<std::string> columns;         // "clip", "judge", ...
  std::vector<std::vector<double>> before;  // [column][prompt]
  std::vector<std::vector<double>> after;
  std::vector<double> category;  // of the judge, a prompt each
  double seconds = 0;            // of one picture, with everything that the method adds
  double base_seconds = 0;       // of one picture without it; 0: not measured there
  double kl = 0;
  std::uint64_t trainable = 0;
  std::vector<double> best_of;  // of a best-of-n search: mean gain of the first n noises' best
};

// Markdown: every table with its command and what did not come out as in the paper.
std::string paper_markdown(const std::vector<PaperResult>& results, const std::string& command);
// The same numbers.
nlohmann::ordered_json paper_json(const std::vector<PaperResult>& results);

}  // namespace hn::cli
