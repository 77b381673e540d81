// Reward hacking, seen from outside: the trained rewards rise while a reward that is never trained
// on falls.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hn::host {

// What one monitor says over a run. Scores are smoothed, counted from their start, and divided by
// their own noise from measurement to measurement, so that rewards of any unit can be laid side by
// side. Positive is better, whatever the monitor's direction.
struct Divergence {
  std::string monitor;
  std::vector<double> steps;
  std::vector<double> trained;  // the trained sum at the monitor's steps
  std::vector<double> monitored;
  std::vector<double> gap;  // trained - monitored

  // "diverging": the trained sum has risen by more than two units of noise while the monitor fell
  // by more than two; "together": both rose so; "no clear change" otherwise.
  std::string verdict() const;
};

// metrics: rows of metrics.jsonl. Nothing is drawn for a monitor with fewer than four measurements.
Divergence divergence(const std::vector<nlohmann::json>& metrics, const std::string& monitor,
                      bool higher_is_better);

}  // namespace hn::host
