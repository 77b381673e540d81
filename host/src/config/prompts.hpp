// Lists of prompts: text, TSV and JSON Lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hn::host {

// By the file's ending: ".tsv" (a header line with the column "prompt"), ".jsonl" (objects with a
// text "prompt"), anything else one prompt a line (blank lines are left out, a final CR is taken
// off). Throws HN_NOT_FOUND (missing, unreadable) or HN_INVALID_ARGUMENT (empty, not UTF-8, no
// column, not JSON), naming file and line.
std::vector<std::string> read_prompts(const std::filesystem::path& file);

// 0 when text is valid UTF-8, else the number of the first line that is not (from 1).
std::size_t invalid_utf8_line(std::string_view text);

}  // namespace hn::host
