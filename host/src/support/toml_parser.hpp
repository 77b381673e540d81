// toml++ behind one door. Its 3.3 asserts what a text can break ("[}" in a table header), so that a
// build without NDEBUG would end there; the parser reports the same place as an error by itself.
#pragma once

#pragma push_macro("NDEBUG")
#undef NDEBUG  // with it the assertions are promises to the optimiser
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <cstdint>
#include <string>
#include <string_view>

namespace hn::host {

struct TomlProblem {
  std::uint32_t line = 1;
  std::string text;
};

// A document; a byte order mark is taken off. `name` is what its nodes call their source.
// Throws TomlProblem: what is no UTF-8 text (files/text.hpp), other than ASCII outside of texts and
// comments (toml++ 3.3 computes nonsense there), keys of more than 64 parts (freeing tables nested
// by the million overflows the stack), and what the parser finds.
toml::table parse_toml(std::string_view text, std::string_view name);

}  // namespace hn::host
