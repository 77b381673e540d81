// Plugins under the suite: their subjects and rows.
#pragma once

#include <string>
#include <vector>

#include "validate/suite.hpp"

namespace hn::validate {

inline Subject subject(const std::string& library, const std::string& id,
                       const std::string& defect) {
  Subject s;
  s.library = std::string(HN_BUILD_DIR "/tests/plugins/") + library;
  s.bundle = s.library.parent_path();
  s.id = id;
  s.version = "1.0.0";
  s.kind = "reward";
  s.functions = {"score"};
  if (!defect.empty()) s.options["defect"] = defect;
  s.option_keys = {"defect"};
  s.bare = true;
  return s;
}

inline const Row* find(const std::vector<Row>& rows, const std::string& check) {
  for (const Row& row : rows)
    if (row.check == check) return &row;
  return nullptr;
}

inline std::string bad_rows(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows)
    if (row.status != Status::kPassed && row.status != Status::kSkipped)
      text += row.check + " " + status_name(row.status) + ": " + row.text + "\n";
  return text;
}

struct Defect {
  const char* name;
  const char* check;  // that must catch it
  Status status;
  const char* text;  // part of the reason
};

}  // namespace hn::validate
