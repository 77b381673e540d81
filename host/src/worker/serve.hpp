// The worker's side: one bundle, served to the host at the other end of a channel.
#pragma once

#include "worker/channel.hpp"

namespace hn::worker {

// Serves until the host goes away. Returns the exit code.
int serve(Descriptor socket);

}  // namespace hn::worker
