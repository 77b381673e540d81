// Which plugins can read a folder of weights: their own loading, without reading the tensors.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "host/host.hpp"

namespace hn::inspect {

// [{"plugin", "model", "kind", "status", "message", "components": [{"model", "path", "tensors",
// "parameters", "missing", "wrong_shape", "unexpected"}]}], the best fit first. status: "fits",
// "does not fit" (some component lacks or has tensors), "refused" (message says why). name: a
// plugin or model to ask alone; empty: every plugin that takes weights. Errors: HN_NOT_FOUND for an
// unknown name.
nlohmann::ordered_json dry_runs(host::Host& host, const std::filesystem::path& weights,
                                const std::string& name);

}  // namespace hn::inspect
