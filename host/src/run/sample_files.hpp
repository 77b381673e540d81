// The verbs sample and score: files in, files out. docs/cli.md lists the requests' keys.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// request: TOML; the answer is JSON. Errors: HN_INVALID_ARGUMENT (unknown key, shapes, no prompts),
// those of the readers, writers and the session.
std::string sample_files(host::Host& host, std::string_view request, const hnhost_hooks* hooks);
std::string score_files(host::Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
