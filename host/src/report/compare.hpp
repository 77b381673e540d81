// Several finished runs on one page: what each gains and what it costs.
#pragma once

#include <string>
#include <string_view>

namespace hn::host {

// request (TOML): out (the page's path), title, x (the measure of the horizontal axis), y (a list
// of measures, one chart each; without them every other measure that the runs share), and [[group]]
// entries with label and runs (directories that differ in their seed alone, pooled in the table).
// The page shows each y over x along the training of every run (the shape of the paper's figure 4),
// x over the steps, a table with paired differences, and pictures. The answer is JSON with the same
// numbers.
//
// Errors: HN_INVALID_ARGUMENT (unknown keys, no group, a measure that no run has), HN_NOT_FOUND (a
// directory without a finished run), HN_DATA_LOSS (broken files).
std::string compare_runs(std::string_view request);

}  // namespace hn::host
