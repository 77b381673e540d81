// core::Session over the opened plugins.
#pragma once

#include <memory>

#include "core/session.hpp"

namespace hn::core {

// Opens every plugin; see Session. Threads: LibTorch's number of threads is one of the process; it
// is set on each entry and put back after it (ThreadCount), so sessions with different numbers may
// alternate, not overlap.
std::unique_ptr<Session> open_session(SessionSpec spec, Services services);

}  // namespace hn::core
