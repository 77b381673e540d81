// The layers of a generator that can carry a LoRA.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "host/host.hpp"

namespace hn::inspect {

// {"plugin", "model", "weights", "layers": [{"name", "kind": "linear" | "conv2d", "in", "out",
// "kernel": [h, w], "groups", "functions": []}]}, in the plugin's order, as hn.adapter/1 of the
// loaded plugin has them. weights: a folder; empty: the model's own. Errors: HN_NOT_FOUND for an
// unknown name and for weights that are not there; HN_UNSUPPORTED where the plugin has no adapters;
// those of the plugin's loading.
nlohmann::ordered_json adapter_layers(host::Host& host, const std::string& name,
                                      const std::filesystem::path& weights);

}  // namespace hn::inspect
