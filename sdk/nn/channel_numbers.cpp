#include "nn/channel_numbers.hpp"

#include <cmath>
#include <vector>

namespace hn {
namespace {

constexpr double kMost = 1e6;

}  // namespace

std::array<double, 3> channel_means(JsonObject& json, const std::string& key,
                                    std::array<double, 3> otherwise) {
  const nlohmann::json* value = json.optional_member(key);
  if (value == nullptr) return otherwise;
  std::vector<double> values;
  if (value->is_number())
    values.assign(3, json.get<double>(key));
  else
    values = json.get<std::vector<double>>(key);
  if (values.size() != 3) json.fail(key, "three numbers");
  for (const double number : values)
    if (!(std::fabs(number) <= kMost)) json.fail(key, "three numbers of at most a million");
  return {values[0], values[1], values[2]};
}

std::array<double, 3> channel_deviations(JsonObject& json, const std::string& key,
                                         std::array<double, 3> otherwise) {
  const auto values = channel_means(json, key, otherwise);
  for (const double number : values)
    if (!(number >= 1 / kMost)) json.fail(key, "numbers above 0");
  return values;
}

}  // namespace hn
