// What a bundle whose manifest cannot be read would have been called.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace hn::host {

// Every id, name and alias that its plugin.toml gives to the plugin and to its models, as far as
// lines of it can be told apart; where there are none, the folder's name, "clip.hnp". Never fails.
std::set<std::string> claimed_names(const std::filesystem::path& bundle);

}  // namespace hn::host
