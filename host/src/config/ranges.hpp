// The ranges of whole numbers that the configuration, the requests and the C API share.
#pragma once

#include <cstdint>
#include <limits>

namespace hn::host {

// TOML's integers are signed, so a seed is 0 to 2^63 - 1 wherever one is named.
inline constexpr std::int64_t kMostSeed = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kMostSteps = 1'000'000'000;  // and other counts that take no memory
inline constexpr std::int64_t kMostSamples = 1 << 20;      // of what is held at once: a batch
inline constexpr std::int64_t kMostThreads = 4096;

}  // namespace hn::host
