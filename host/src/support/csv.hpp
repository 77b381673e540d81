// Comma- and tab-separated tables as RFC 4180 has them: cells in double quotes may hold separators,
// line ends and doubled quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hn::host {

struct CsvRow {
  std::vector<std::string> cells;
  std::size_t line = 0;   // where it begins, from 1
  std::uint64_t end = 0;  // the byte behind it, its line end included
};

// Every row; blank lines are left out. A last row without a line end counts when `open_end` says so
// (a table that a killed program wrote has half a row there). Throws HN_DATA_LOSS, "[where] line N:
// ...", for a quote that is never closed or that stands inside a cell.
std::vector<CsvRow> parse_csv(std::string_view text, char separator, const std::string& where,
                              bool open_end = true);

// The cell as it is written: in quotes where it must be.
std::string csv_cell(std::string_view text);

// A text that a spreadsheet would take for a formula ("=1+1", "+", "-", "@", or a tab or line end
// before it) with an apostrophe before it, which spreadsheets show as text; likewise one that
// begins with apostrophes and then so, so that plain_text gives every text back. For columns of
// texts: numbers are written as they are.
std::string guarded_text(std::string_view text);
// What guarded_text was given.
std::string plain_text(std::string_view cell);
// Whether a table's first row is that of the verb score ("image", "prompt", ..., "error"), whose
// texts are guarded. In other people's tables an apostrophe is an apostrophe.
bool has_guarded_texts(const std::vector<std::string>& header);

}  // namespace hn::host
