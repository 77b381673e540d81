// Values that no configuration may have, told all at once.
#pragma once

#include "core/session.hpp"

namespace hn::core {

// HN_INVALID_ARGUMENT names every field that is out of its range, with the range and the value.
// Training fields count only where there is something to train (prompts were given).
void check_spec(const SessionSpec& spec);

}  // namespace hn::core
