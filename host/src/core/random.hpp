// Counter-based random numbers: every draw is a pure function of (seed, stream, index, position).
//
// Nothing is ever advanced, so a run that is resumed, split into micro batches or sampled in
// another batch size draws the same numbers. Philox 4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011), normals by Box-Muller.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hn::core {

// Independent families of numbers. The values are part of what a seed means: never renumber.
enum class Stream : std::uint32_t {
  kTrainNoise = 1,
  kEvalNoise = 2,
  kTrainStepNoise = 3,
  kEvalStepNoise = 4,
  kAdapterInit = 5,
  kPromptOrder = 6,
  kLatentChoice = 7,
  kPowerIteration = 8,
  kSearchNoise = 9,
  kZerothOrder = 10,
  kTraceProbes = 11,
};

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// 32 random bits; sub tells apart what belongs to one index.
std::uint32_t random_bits(std::uint64_t seed, Stream stream, std::uint64_t index,
                          std::uint32_t position, std::uint32_t sub = 0);

// Standard normals into out; at most 2^34 of them, |value| < 6.7.
void fill_normal(std::span<float> out, std::uint64_t seed, Stream stream, std::uint64_t index,
                 std::uint32_t sub = 0);

// Uniform in [-bound, bound).
void fill_uniform(std::span<float> out, float bound, std::uint64_t seed, Stream stream,
                  std::uint64_t index);

// The numbers 0 to n-1 in the order of this epoch (Fisher-Yates).
std::vector<std::uint32_t> shuffled(std::uint32_t n, std::uint64_t seed, std::uint64_t epoch);

}  // namespace hn::core
