// A bundle as the suite's subject, the way the host would open it.
#pragma once

#include <string_view>

#include "host/host.hpp"
#include "validate/suite.hpp"

namespace hn::validate {

// bundle: a path, name, alias or id. options: of create and open, laid over those of the plugin's
// default model; lora.* may be given too (default: rank 2 for a plugin with a noise network).
// Throws HN_NOT_FOUND and HN_INVALID_ARGUMENT.
Subject subject_of(host::Host& host, std::string_view bundle, core::Options options);

}  // namespace hn::validate
