// A verb's one call of the library.
#pragma once

#include <hnhost/hnhost.h>

#include <string>

#include "command.hpp"

namespace hn::cli {

using RequestCall = decltype(&hnhost_sample_files);

// Opens the host, makes the call with the progress on stderr and Ctrl-C as a wish to stop, and
// gives its answer. Throws as answer().
std::string ask(const Command& command, RequestCall call, const std::string& request);

}  // namespace hn::cli
