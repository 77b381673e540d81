// What the helper process says of one check: a line of JSON. The plugin that is looked at lives in
// that process, so that the line may be anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "validate/suite.hpp"

namespace hn::validate {

struct HelperRow {
  std::size_t job = 0;  // an index of the plan's checks
  Status status = Status::kFailed;
  std::string text;
  double seconds = 0;
};

// {"job", "status", "text", "seconds"}. HN_DATA_LOSS for anything else, and for a job that is not
// among `jobs`.
HelperRow read_helper_row(std::string_view line, std::size_t jobs);

}  // namespace hn::validate
