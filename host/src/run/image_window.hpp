// Pictures decoded by several threads, a window ahead of whoever uses them.
#pragma once

#include <future>
#include <span>
#include <string>
#include <vector>

#include "run/image.hpp"
#include "run/score_items.hpp"

namespace hn::run {

struct Decoded {
  Image image;
  std::string error;  // why there is no picture
};

// One entry an item, in order; a file that cannot be read or decoded is an entry with its reason.
// threads: at least 1.
std::vector<Decoded> decode_all(std::span<const ScoreItem> items, int threads);

// The same in the background.
std::future<std::vector<Decoded>> decode_ahead(std::span<const ScoreItem> items, int threads);

}  // namespace hn::run
