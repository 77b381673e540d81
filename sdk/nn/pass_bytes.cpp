#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <hn/nn/byte_count.hpp>
#include <hn/nn/pass_bytes.hpp>

namespace hn {
namespace {

std::uint64_t line(std::uint64_t at_a, std::int64_t a, std::uint64_t at_b, std::int64_t b,
                   std::int64_t size) {
  if (a == b) return at_b;
  const double slope =
      (static_cast<double>(at_b) - static_cast<double>(at_a)) / static_cast<double>(b - a);
  const double value = static_cast<double>(at_b) + slope * static_cast<double>(size - b);
  const double floor = size >= b ? static_cast<double>(at_b) : 0;
  return static_cast<std::uint64_t>(std::llround(std::max(value, floor)));
}

}  // namespace

MeasuredBytes measure_pass(const PassFunction& pass, const Tensors& in, std::uint64_t budget) {
  const ByteCount count;
  BlockRunner run(budget, std::make_shared<BlockCosts>(), {1});
  const Tensors out = pass(in, run);
  MeasuredBytes bytes{count.live(), count.peak()};
  Tensors outputs, cotangents, leaves;
  for (const auto& x : in)
    if (x.defined() && x.requires_grad()) leaves.push_back(x);
  for (const auto& y : out) {
    if (!y.defined() || !y.requires_grad()) continue;
    outputs.push_back(y);
    cotangents.push_back(at::ones_like(y));
  }
  if (!outputs.empty() && !leaves.empty())
    torch::autograd::grad(outputs, leaves, cotangents, /*retain_graph=*/true,
                          /*create_graph=*/false, /*allow_unused=*/true);
  bytes.peak = count.peak();
  return bytes;
}

MeasuredBytes draw_out(MeasuredBytes at_a, std::int64_t a, MeasuredBytes at_b, std::int64_t b,
                       std::int64_t size) {
  return {line(at_a.saved, a, at_b.saved, b, size), line(at_a.peak, a, at_b.peak, b, size)};
}

MeasuredBytes measured_or_too_many(const std::function<MeasuredBytes()>& measure) {
  try {
    return measure();
  } catch (const c10::OutOfMemoryError&) {
    return {kTooManyBytes, kTooManyBytes};
  }
}

}  // namespace hn
