#include "core/finite.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace hn::core {
namespace {

constexpr std::size_t kShown = 200;  // bytes of a prompt

const char* describe(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

struct Bad {
  std::string what;   // "nan", "inf" or "-inf"; empty: everything is finite
  std::string count;  // "5 of 12 numbers are not finite"; empty for a single number
};

Bad bad_numbers(const at::Tensor& numbers) {
  const at::Tensor host = numbers.to(at::kCPU, at::kDouble).contiguous();
  Bad bad;
  std::int64_t count = 0;
  for (const double value :
       std::span(host.const_data_ptr<double>(), static_cast<std::size_t>(host.numel()))) {
    if (std::isfinite(value)) continue;
    if (count++ == 0) bad.what = describe(value);
  }
  if (count > 0 && host.numel() > 1)
    bad.count =
        std::to_string(count) + " of " + std::to_string(host.numel()) + " numbers are not finite";
  return bad;
}

// One sum tells almost always that all is well; finite numbers may overflow it, so it proves
// nothing else.
bool surely_finite(const at::Tensor& numbers) {
  return numbers.numel() == 0 || std::isfinite(numbers.sum().item<double>());
}

}  // namespace

std::string not_finite(const at::Tensor& numbers) {
  if (surely_finite(numbers)) return "";
  const Bad bad = bad_numbers(numbers);
  return bad.count.empty() ? bad.what : bad.what + " (" + bad.count + ")";
}

std::string not_finite_rows(const at::Tensor& rows, std::span<const Prompt> prompts,
                            std::int64_t first) {
  if (surely_finite(rows)) return "";
  for (std::int64_t b = 0; b < rows.size(0); ++b) {
    const Bad bad = bad_numbers(rows.select(0, b));
    if (bad.what.empty()) continue;
    const auto at = static_cast<std::size_t>(b);
    std::string more =
        at < prompts.size() ? "prompt '" + prompts[at].text.substr(0, kShown) + "'" : std::string();
    if (!bad.count.empty()) more += (more.empty() ? "" : "; ") + bad.count;
    return bad.what + " at sample " + std::to_string(first + b) +
           (more.empty() ? "" : " (" + more + ")");
  }
  return "";
}

void require_finite_rows(const at::Tensor& rows, const std::string& what,
                         std::span<const Prompt> prompts) {
  const std::string text = not_finite_rows(rows, prompts);
  if (!text.empty()) throw NotFinite(what + ": " + text);
}

}  // namespace hn::core
