// Tables for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace hn::cli {

// Columns padded to their widest cell; the first row is the header. right: columns of numbers.
std::string table_text(const std::vector<std::vector<std::string>>& rows,
                       const std::vector<bool>& right = {});

// 4 significant digits; "-" for null.
std::string number_cell(const nlohmann::json& value);
// "+0.0241 ± 0.009" of {"mean", "se"}.
std::string difference_cell(const nlohmann::json& mean);

// The final table of a run: summary["measures"] before, after and the paired difference.
std::string summary_table(const nlohmann::json& summary);

// Cells counted in characters, not bytes.
std::size_t text_width(const std::string& text);

}  // namespace hn::cli
