// Tables of pictures and prompts: .csv, .tsv and .jsonl.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/prompt.hpp"

namespace hn::host {

struct TableRow {
  std::string image;  // as it stands there; empty where the table has no such column
  std::optional<core::Prompt> prompt;
  std::size_t line = 0;
  std::vector<std::pair<std::string, std::string>> prompt_pictures = {};  // PromptRow::pictures
};

struct ItemTable {
  std::filesystem::path file;
  bool has_images = false;  // a column image, file or path
  std::vector<TableRow> rows;
};

// By its ending, in any case.
bool is_table(const std::filesystem::path& file);

// CSV and TSV: a first row with a column "image" (or "file", "path") and perhaps "prompt" (or
// "caption") with the further fields of a prompt (files/prompt_row.hpp). JSON Lines: objects with
// texts under these keys. A table that the verb score wrote is
// known by its columns, and its guarded texts (support/csv.hpp) are taken as they were meant.
// Errors: HN_NOT_FOUND, HN_INVALID_ARGUMENT (no row, another number of cells, a column twice, a row
// without a picture where others have one, fields of a prompt without a prompt), HN_DATA_LOSS (no
// UTF-8 text, broken quotes, no JSON); all name file and line.
ItemTable read_item_table(const std::filesystem::path& file);
// The same, and HN_INVALID_ARGUMENT where it has no column of pictures.
ItemTable read_picture_table(const std::filesystem::path& file);

}  // namespace hn::host
