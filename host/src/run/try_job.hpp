// The verb try: prompts of one's own, before and after, on one page.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// request: TOML (docs/cli.md, try); the answer is JSON. Each prompt and seed is one noise, which
// `sample --prompt P --seed S` draws too: a picture without the adapter, and one a strength with
// it. Without rewards in the request they are those of the adapter's run. Errors:
// HN_INVALID_ARGUMENT (no adapter, unknown key, a strength that is not finite), HN_UNSUPPORTED
// (strengths of a fine-tune), those of the session and of AtomicFile.
std::string try_job(Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
