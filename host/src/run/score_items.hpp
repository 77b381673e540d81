// What is to be scored: pictures of folders, tables and the command line, each with its prompt.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hn::run {

struct ScoreItem {
  std::string image;  // as the user knows it: as given, or its path below the folder that was given
  std::filesystem::path file;
  std::string prompt;  // empty: none
};

struct ItemSource {
  // Picture files (PNG, JPEG, WebP), folders of them (with all folders below, in the order of their
  // names), and tables with a column "image" (or "file", "path") and perhaps "prompt": .csv, .tsv,
  // .jsonl; their paths start at the table's folder.
  std::vector<std::string> inputs;
  // One prompt for all, or one a picture in order.
  std::vector<std::string> prompts;
  // A text with a prompt a line, in order; or a table with "image" and "prompt", looked up by the
  // picture's path, name, or name without its ending. Not beside `prompts`.
  std::string prompts_file;
};

// Pictures without a prompt of their own take the text file beside them (cat.png: cat.txt), if
// there is one. Errors: HN_NOT_FOUND (an input, a prompt for a picture), HN_INVALID_ARGUMENT (no
// picture, another number of prompts than of pictures, a table without the column), HN_DATA_LOSS (a
// broken table); all name file and line.
std::vector<ScoreItem> list_items(const ItemSource& source);

// ".png", ".jpg", ".jpeg" or ".webp", in any case.
bool is_picture(const std::filesystem::path& file);

}  // namespace hn::run
