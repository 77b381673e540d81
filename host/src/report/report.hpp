// report.html: one self-contained page a run, and the page that lays several runs side by side.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/image.hpp"

namespace hn::host {

// The frame of every page: title, style sheet (light and dark), body. Nothing is loaded from
// elsewhere.
std::string html_page(const std::string& title, const std::string& body);

// A table of measures: one row each of summary["measures"].
std::string measures_table(const nlohmann::ordered_json& measures);

struct PicturePair {
  std::string prompt;
  Image before;
  Image after;
};

// Prompts as captions under before and after; pictures above 256 px are shrunk for the page.
std::string picture_table(const std::vector<PicturePair>& pairs, const std::string& before,
                          const std::string& after);

// summary: as written to summary.json. metrics: the rows of metrics.jsonl. config: TOML.
std::string run_report(const nlohmann::ordered_json& summary,
                       const std::vector<nlohmann::json>& metrics,
                       const std::vector<PicturePair>& pairs, const std::string& config);

}  // namespace hn::host
