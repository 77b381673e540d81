#include "report/divergence.hpp"

#include <algorithm>
#include <cmath>

namespace hn::host {
namespace {

constexpr double kShare = 0.3;      // of a new value in the smoothed one
constexpr double kClear = 2;        // units of noise
constexpr std::size_t kEnough = 4;  // measurements

// Smoothed, from its start, in units of its noise: that of neighbours' differences, which a trend
// hardly touches.
std::vector<double> standardised(const std::vector<double>& values, double sign) {
  double squares = 0;
  for (std::size_t i = 1; i < values.size(); ++i)
    squares += (values[i] - values[i - 1]) * (values[i] - values[i - 1]);
  const double noise = std::sqrt(squares / (2 * static_cast<double>(values.size() - 1)));
  const std::size_t first = std::min<std::size_t>(3, values.size());
  double start = 0;
  for (std::size_t i = 0; i < first; ++i) start += values[i] / static_cast<double>(first);
  std::vector<double> out;
  double smooth = start;
  for (const double value : values) {
    smooth += kShare * (value - smooth);
    out.push_back(noise > 0 ? sign * (smooth - start) / noise : 0);
  }
  return out;
}

}  // namespace

std::string Divergence::verdict() const {
  if (gap.empty()) return "no clear change";
  if (trained.back() > kClear && monitored.back() < -kClear) return "diverging";
  if (trained.back() > kClear && monitored.back() > kClear) return "together";
  return "no clear change";
}

Divergence divergence(const std::vector<nlohmann::json>& metrics, const std::string& monitor,
                      bool higher_is_better) {
  Divergence out;
  out.monitor = monitor;
  std::vector<double> trained, monitored;
  for (const auto& row : metrics) {
    if (row.value("kind", "") != "train" || !row.contains("rewards")) continue;
    const auto& rewards = row.at("rewards");
    const auto score = rewards.find(monitor);
    if (score == rewards.end() || !score->is_number() || !row.at("reward").is_number()) continue;
    out.steps.push_back(row.at("step").get<double>());
    trained.push_back(row.at("reward").get<double>());
    monitored.push_back(score->get<double>());
  }
  if (out.steps.size() < kEnough) {
    out.steps.clear();
    return out;
  }
  out.trained = standardised(trained, 1);
  out.monitored = standardised(monitored, higher_is_better ? 1 : -1);
  for (std::size_t i = 0; i < out.steps.size(); ++i)
    out.gap.push_back(out.trained[i] - out.monitored[i]);
  return out;
}

}  // namespace hn::host
