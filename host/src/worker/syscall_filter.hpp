// The seccomp filter of sandboxed workers.
#pragma once

#include <string>

namespace hn::worker {

// Only what computing and reading need stays; anything else fails with EPERM. Cannot be undone;
// needs no_new_privs. Returns why it could not be set, or nothing.
std::string filter_system_calls();

}  // namespace hn::worker
