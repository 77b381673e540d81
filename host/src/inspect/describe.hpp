// What stands in a folder of weights, from its configurations and the headers of its files.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace hn::inspect {

// {"path", "kind", "class", "components": [{"name", "class", "library", "weights": [{"file",
// "variant", "tensors", "parameters", "bytes", "dtypes": {"F32": n}}], "problem"}], "parameters",
// "bytes"}. kind: "diffusers pipeline", "model" (a config.json with weights), "checkpoint" (weights
// alone), "lora", "unknown". Numbers of the totals are of each component's first weights (a variant
// is not counted twice). What is wrong with one component is its "problem", never an error.
// Errors: HN_NOT_FOUND when nothing is there.
nlohmann::ordered_json describe_weights(const std::filesystem::path& path);

}  // namespace hn::inspect
