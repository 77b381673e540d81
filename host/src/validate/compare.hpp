// Comparing tensors of numbers, with messages that name the place.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hn::validate {

// Two float32 paths to one result: other summation orders are allowed, other mathematics is not.
inline constexpr double kSameMaths = 2e-5;
// One call made as a batch and sample by sample, where matrix products are blocked differently.
inline constexpr double kSameUpToBlocking = 2e-4;

// Fails unless |got - want| <= tolerance * max|want| everywhere, and fails on NaN. tolerance 0 asks
// for the same bits.
void expect_close(std::span<const float> got, std::span<const float> want, double tolerance,
                  const std::string& what);
void expect_finite(std::span<const float> values, const std::string& what);
bool same_bits(std::span<const float> a, std::span<const float> b);
double dot(std::span<const float> a, std::span<const float> b);
double norm(std::span<const float> a);

}  // namespace hn::validate
