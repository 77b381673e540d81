// The catalogue of rewards as text and as the page docs/rewards.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hn::cli {

// catalogue: hnhost_rewards' JSON. A table, then what to know of each.
std::string rewards_text(const nlohmann::json& catalogue);

// rows: its "rewards". From manifests alone: the same on every machine.
std::string rewards_markdown(const nlohmann::json& rows);

}  // namespace hn::cli
