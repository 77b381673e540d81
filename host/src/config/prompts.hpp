// Lists of prompts: text, TSV, CSV and JSON Lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/prompt.hpp"

namespace hn::host {

// By the file's ending: ".tsv" and ".csv" (a first row with the column "prompt", and perhaps
// "negative", "metadata" with an object as JSON, "prompt_image" and "mask"), ".jsonl" (objects with
// a text "prompt", and perhaps a text "negative", an object "metadata", and pictures "image" and
// "mask": paths from the file's folder; files/prompt_row.hpp reads both), anything else one
// prompt a line (blank lines are left out; lines end in LF, CR LF or CR). Throws HN_NOT_FOUND
// (missing, unreadable) or HN_INVALID_ARGUMENT (empty, no UTF-8 text, no column, not JSON), naming
// file and line.
std::vector<core::Prompt> read_prompts(const std::filesystem::path& file);

}  // namespace hn::host
