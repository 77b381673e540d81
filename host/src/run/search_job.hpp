// hnhost_search: better noise for each prompt, by one of the methods of search/, in a folder.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// request: TOML (docs/cli.md, search). The answer is search.json's text with its folder. A stopped
// or killed search goes on with the prompt that it was at, with the same result; a finished one is
// answered from its file. Errors: HN_UNSUPPORTED for a method that needs a gradient which a reward
// or the generator has not, by name; those of the configuration, of FoundFolder and of the session.
std::string search_job(Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
