// What one pass of a function keeps and needs, measured at small sizes and drawn out to a large
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <hn/nn/checkpoint.hpp>

namespace hn {

struct MeasuredBytes {
  std::uint64_t saved = 0;  // held between forward and backward
  std::uint64_t peak = 0;   // the most that is held at once, saved included
};

// Runs `pass` (inputs to outputs, gradients on for inputs that require them) and its backward by
// cotangents of ones. `budget`: as BlockRunner's; one byte computes every block again.
using PassFunction = std::function<Tensors(const Tensors& in, BlockRunner& run)>;
MeasuredBytes measure_pass(const PassFunction& pass, const Tensors& in, std::uint64_t budget);

// The straight line through two measurements at sizes a < b, read at `size`; never below the
// measurement at b where size is larger, so that rounding cannot give too little.
MeasuredBytes draw_out(MeasuredBytes at_a, std::int64_t a, MeasuredBytes at_b, std::int64_t b,
                       std::int64_t size);

// What is told of a pass that a device has no room for even in small.
inline constexpr std::uint64_t kTooManyBytes = std::uint64_t{1} << 50;
// A measurement, or kTooManyBytes where it ran out of the device's memory.
MeasuredBytes measured_or_too_many(const std::function<MeasuredBytes()>& measure);

}  // namespace hn
