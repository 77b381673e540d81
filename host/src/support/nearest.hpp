// "did you mean": the names nearest to one that was typed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hn::host {

// Insertions, deletions, substitutions and swaps of neighbours, in bytes; upper case, '_' and '-'
// are folded, so "HPS" and "emoji_sprint" are at distance 0 from "hps" and "emoji-sprint".
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidates worth a suggestion, nearest first, at most `most`; a name that begins another
// counts as near.
std::vector<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates,
                                 std::size_t most = 3);

// "; did you mean 'lr'?" or, with none near, "; known: a, b, c".
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hn::host
