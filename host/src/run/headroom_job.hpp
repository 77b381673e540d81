// hnhost_headroom: how much the noise can do for rewards, before anybody trains.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// request: TOML (docs/cli.md, headroom). The answer is JSON. Prompts that a sought reward cannot
// answer are left out and counted. Errors: HN_INVALID_ARGUMENT for fewer than two prompts or seeds;
// those of the configuration and of the session.
std::string headroom_job(Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
