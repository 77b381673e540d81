// Runs laid side by side: what the verbs compare and demo share.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "command.hpp"

namespace hn::cli {

struct RunGroup {
  std::string label;
  std::vector<std::string> runs;  // directories
};

// Writes the page and gives hnhost_compare's JSON.
std::string compare_runs(const HostHandle& host, const std::vector<RunGroup>& groups,
                         const std::string& x, const std::vector<std::string>& y,
                         const std::string& out, const std::string& title);

// One row a group and measure; measures of a reward's parts ("judge.counting") are left out.
std::string comparison_table(const nlohmann::json& comparison);

}  // namespace hn::cli
