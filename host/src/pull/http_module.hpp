// The HTTP module, opened on first use.
#pragma once

#include <filesystem>

#include "http/http.hpp"

namespace hn::pull {

// libhnhost_http.so beside libhnhost.so, or `file`. Kept open for the life of the process.
// Errors: HN_UNSUPPORTED where this build has none, with what to install.
const hnhost_http_v1& http_module(const std::filesystem::path& file = {});

}  // namespace hn::pull
