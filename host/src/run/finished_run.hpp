// Whether a finished run still is what it was when it ended.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run/run_directory.hpp"

namespace hn::host {

// SHA-256 by name of the files that others take from a run: those of adapter/, and scores.json.
nlohmann::ordered_json file_sums(const RunDirectory& run);

// What is wrong, as "adapter/adapter_model.safetensors is missing": files of summary["files"] that
// are not there or have other bytes, and a report or sheet that is not there. `summary` as
// read_summary gives it.
std::vector<std::string> missing_or_changed(const RunDirectory& run,
                                            const nlohmann::ordered_json& summary);

}  // namespace hn::host
