// The functions and classes that a checkpoint may name, and what calling them means here.
#pragma once

#include <string>
#include <string_view>

#include "formats/pickle/document.hpp"

namespace hn::pickle {

// Is this name one of the known? Names are "module.name".
bool is_known_global(std::string_view name);

// The value that calling `callable` with the tuple `arguments` gives. Errors: HN_UNSUPPORTED where
// the callable is not a known function, HN_DATA_LOSS where the arguments do not fit it.
Value call_global(Document& document, Ref callable, Ref arguments, const std::string& where);

// A persistent id: ("storage", type, key, location, number of elements).
Value load_storage(Document& document, Ref id, const std::string& where);

}  // namespace hn::pickle
