// The verb score over whole sets, and two sets against one another. docs/cli.md lists the requests'
// keys.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// request: TOML; the answer is JSON. Errors: those of list_items, SetScorer and ScoreTable;
// HN_CANCELLED with what was scored in the file.
std::string score_set(host::Host& host, std::string_view request, const hnhost_hooks* hooks);

// Two sets of pictures for the same prompts, pair by pair: win rates with confidence intervals and
// paired differences.
std::string compare_sets(host::Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
