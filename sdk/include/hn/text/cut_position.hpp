// Where a prompt that is too long for a text tower stops being read, for a warning.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace hn {

// The byte of `text` from which no word fits into `limit` tokens any more: the beginning of a word,
// 0 where not even the first fits, text.size() where all do. `count` gives the tokens of a text.
std::size_t cut_position(std::string_view text, std::size_t limit,
                         const std::function<std::size_t(std::string_view)>& count);

// "[hps] a prompt of 90 tokens is cut to 75: "..." is not read; ..." The part that is not read is
// shortened to a line, between whole characters.
std::string cut_warning(std::string_view name, std::string_view text, std::size_t tokens,
                        std::size_t limit, std::size_t position);

}  // namespace hn
