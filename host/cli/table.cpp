#include "table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace hn::cli {

std::size_t text_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not a continuation byte
  }));
}

std::string table_text(const std::vector<std::vector<std::string>>& rows,
                       const std::vector<bool>& right) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], text_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - text_width(row[i]), ' ');
      const bool at_right = i < right.size() && right[i];
      line += (i == 0 ? "" : "  ") + (at_right ? pad + row[i] : row[i] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string number_cell(const nlohmann::json& value) {
  if (!value.is_number()) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value.get<double>());
  return text.data();
}

std::string difference_cell(const nlohmann::json& mean) {
  const nlohmann::json& value = mean.at("mean");
  if (!value.is_number()) return "-";
  const std::string sign = value.get<double>() >= 0 ? "+" : "";
  const std::string error = mean.at("se").is_number() ? " ± " + number_cell(mean.at("se")) : "";
  return sign + number_cell(value) + error;
}

std::string summary_table(const nlohmann::json& summary) {
  std::vector<std::vector<std::string>> rows = {
      {"held-out mean", "before", "after", "paired difference", "beyond 2 SE"}};
  for (const auto& row : summary.at("measures")) {
    // Parts of a reward ("judge.count") are for the report; what applies to no prompt has no
    // number.
    if (row.at("name").get<std::string>().find('.') != std::string::npos) continue;
    if (row.at("difference").at("n").get<std::size_t>() == 0) continue;
    rows.push_back({row.at("name").get<std::string>() + (row.at("trained").get<bool>() ? " *" : ""),
                    number_cell(row.at("before").at("mean")),
                    number_cell(row.at("after").at("mean")), difference_cell(row.at("difference")),
                    row.at("verdict").get<std::string>()});
  }
  std::string out = table_text(rows, {false, true, true, true, false});
  for (const auto& row : summary.value("unanswered", nlohmann::json::array()))
    out += row.at("reward").get<std::string>() + ": " +
           std::to_string(row.at("prompts").get<std::size_t>()) + " of " +
           std::to_string(row.at("of").get<std::size_t>()) +
           " prompts not answered: " + row.at("why").get<std::string>() + "\n";
  return out;
}

}  // namespace hn::cli
