// Two sets of pictures, picture by picture.
#pragma once

#include <string>
#include <vector>

#include "scoring/score_items.hpp"

namespace hn::host {

struct PicturePairs {
  std::vector<ScoreItem> a, b;  // of one length, in natural order
  std::size_t only_a = 0, only_b = 0;
};

// Pairs by the path below the folder or table that was given, without the ending; absolute paths
// count from the folder that all of them share. What only one side says of a prompt is the other's
// too. `notes` gets a text about each side's pictures without a partner.
// Errors: HN_INVALID_ARGUMENT, with both names: two pictures of one side under one path, other
// prompts for the two of a pair, no pair at all.
PicturePairs pair_up(std::vector<ScoreItem> a, std::vector<ScoreItem> b,
                     std::vector<std::string>& notes);

}  // namespace hn::host
