// stdin, stdout and stderr of the command: that they are there, and that nothing is lost on the
// way.
#pragma once

#include <string>

namespace hn::cli {

// First thing in main. Descriptors 0 to 2 that came closed get /dev/null, so that no file of the
// work becomes one of them and is read or written by mistake; reading the one and writing the other
// then fail as they should. std::cout gets a buffer that keeps its first failure. A reader of
// stderr that left does not end the work: SIGPIPE is ignored.
void open_standard_streams();

// Writes out what std::cout holds. "stdout: cannot be written: No space left on device" when that
// or anything before it failed; empty when all of it is written. A reader that left ends the
// process at once by SIGPIPE, as Unix tools end, unless the command was started with SIGPIPE
// ignored.
std::string flush_output();

}  // namespace hn::cli
