// What rewards cost on this machine: measured once, kept in the user's cache folder.
#pragma once

#include <hnhost/hnhost.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apart/channel.hpp"
#include "host/host.hpp"

namespace hn::host {

// The processor's name and the number of its cores: what a measurement belongs to.
std::string machine_name();

// $XDG_CACHE_HOME/hn/reward_speed.json, else ~/.cache/hn/reward_speed.json.
std::filesystem::path speed_file();

// The catalogue of rewards, each row with "measured": what the cache has for this machine and the
// plugin's version, or null. A cache that cannot be read counts as empty.
std::string rewards_catalogue(const host::Host& host);

// request, TOML: rewards (list of names; empty: every reward whose weights are there), weights (a
// table of folders by reward), threads, size (pixels on a side, 224), seconds (a case, 1). Each
// reward runs in a process of its own, at batch 1 and 8, forward and forward with backward; a
// reward that cannot be opened is a row with its reason. The cache is updated, the answer is the
// catalogue. [any-thread]
std::string measure_rewards(host::Host& host, std::string_view request, const hnhost_hooks* hooks);

// The helper's side of it: measures one reward, and answers with one line.
void serve_measurement(std::string_view request, apart::Channel& channel);

}  // namespace hn::host
