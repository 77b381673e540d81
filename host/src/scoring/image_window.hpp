// Pictures decoded by several threads, a window ahead of whoever uses them, in bounded memory.
#pragma once

#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <vector>

#include "files/decode_image.hpp"
#include "scoring/score_items.hpp"

namespace hn::host {

struct Decoded {
  Image image;
  std::string error;  // why there is no picture
};

// The first so many items, and the bytes that they take when decoded.
struct Window {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
};

// As many items from the front as are at most `count` and, together, at most `bytes` when decoded,
// but at least one if there is any: sizes come from the files' headers. Where the bytes end it, the
// window has whole batches of `batch` items if it has one at all, so that the batches of a set of
// one size do not depend on the bytes. Broken files count nothing. threads: at least 1.
Window next_window(std::span<const ScoreItem> items, std::size_t count, std::uint64_t bytes,
                   std::size_t batch, int threads, const host::PicturesConfig& options = {});

// One entry an item, in order; a file that cannot be read or decoded is an entry with its reason.
// threads: at least 1.
std::vector<Decoded> decode_all(std::span<const ScoreItem> items, int threads,
                                const host::PicturesConfig& options = {});

// The same in the background; ahead = false: in the thread that gets the result, when it does.
std::future<std::vector<Decoded>> decode_ahead(std::span<const ScoreItem> items, int threads,
                                               const host::PicturesConfig& options = {},
                                               bool ahead = true);

}  // namespace hn::host
