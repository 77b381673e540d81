// What a noise network costs in time.
#pragma once

#include <vector>

#include "core/session.hpp"
#include "report/summary.hpp"

namespace hn::host {

// Of one of these prompts' pictures, drawn together: the delta alone, and the picture without it.
// The least of up to five passes each, about a second of either; so other work on the machine makes
// it larger, never smaller. The session has a noise network. Errors: those of sampling.
NetSpeed measure_net(core::Session& session, const std::vector<core::Prompt>& prompts);

}  // namespace hn::host
