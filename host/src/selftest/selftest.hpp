// Every installed reward that can be opened, looked at for what a bad install does, and compared
// with the scores that its manifest knows.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::selftest {

// request, TOML: rewards (names; none: every installed one, each of its models), weights (list of
// "NAME=PATH"), images (a folder with the pictures of known values), device, threads. Answers with
// JSON: {"ok", "passed", "failed", "untested", "rewards": [{"name", "plugin", "status", "text",
// "checks": [{"name", "status", "text"}]}]}. status of a reward: "passed", "failed" (a check
// failed, or it could not be opened), "untested" (its weights are not at hand). ok: something was
// tested and nothing failed; a reward that was named and has no weights counts as failed. Errors:
// HN_INVALID_ARGUMENT for the request itself (a weights entry without '=', or of a name that is not
// tested), HN_NOT_FOUND for a name that is no reward; HN_CANCELLED.
std::string self_test(host::Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::selftest
