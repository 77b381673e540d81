// Tables of pictures and prompts; the cells of a comma-separated one are written and read back.
#include "files/item_table.hpp"
#include "fuzz/fuzz.hpp"
#include "support/csv.hpp"

namespace {

// Rows of empty cells alone may be blank lines, which are no rows.
void write_and_read(const std::vector<hn::host::CsvRow>& rows) {
  std::string text;
  std::vector<std::vector<std::string>> expected;
  for (const hn::host::CsvRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      line += (i == 0 ? "" : ",") + hn::host::csv_cell(row.cells[i]);
    if (line.empty()) continue;
    text += line + "\n";
    expected.push_back(row.cells);
  }
  std::vector<std::vector<std::string>> got;
  for (const hn::host::CsvRow& row : hn::host::parse_csv(text, ',', "again"))
    got.push_back(row.cells);
  hn::fuzz::require(got == expected, "cells read back otherwise: " + text);
}

}  // namespace

HN_FUZZ_TARGET(tables) {
  using namespace hn::host;
  const auto parts = hn::fuzz::parts_of(input, {"t.csv", "t.tsv", "t.jsonl"});
  const auto& folder = hn::fuzz::write_parts(parts);
  for (const auto& part : parts) {
    const std::string &name = part.first, &bytes = part.second;
    hn::fuzz::read([&] { static_cast<void>(read_item_table(folder / name)); });
    if (name != "t.csv") continue;
    for (const bool open_end : {true, false})
      hn::fuzz::read([&] { write_and_read(parse_csv(bytes, ',', "table", open_end)); });
    hn::fuzz::require(plain_text(guarded_text(bytes)) == bytes,
                      "a guarded text comes back changed");
  }
}
