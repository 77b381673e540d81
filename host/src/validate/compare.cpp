#include "validate/compare.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "validate/probe.hpp"

namespace hn::validate {
namespace {

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}

}  // namespace

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

void expect_finite(std::span<const float> values, const std::string& what) {
  for (std::size_t i = 0; i < values.size(); ++i)
    expect(std::isfinite(values[i]), what + ": element " + std::to_string(i) + " of " +
                                         std::to_string(values.size()) + " is " +
                                         number(values[i]) + " (NaN where nothing was written)");
}

void expect_close(std::span<const float> got, std::span<const float> want, double tolerance,
                  const std::string& what) {
  expect(got.size() == want.size(), what + ": expected " + std::to_string(want.size()) +
                                        " elements, got " + std::to_string(got.size()));
  expect_finite(got, what);
  expect_finite(want, what);
  double largest = 0, worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
    const double off = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (off > worst) {
      worst = off;
      at = i;
    }
  }
  expect(worst <= tolerance * largest,
         what + ": expected " + number(want.empty() ? 0 : want[at]) + " at element " +
             std::to_string(at) + ", got " + number(got.empty() ? 0 : got[at]) +
             " (largest element " + number(largest) + ", tolerance " + number(tolerance) + ")");
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double norm(std::span<const float> a) { return std::sqrt(dot(a, a)); }

}  // namespace hn::validate
