// What is to be scored: pictures of folders, tables and the command line, each with its prompt.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/prompt.hpp"

namespace hn::host {

struct ScoreItem {
  // As the user knows it: as given, or its path below the folder that was given; with that folder
  // where two pictures would have one name. Bytes that are no UTF-8 stand there as escaped_bytes
  // (files/text.hpp) has them.
  std::string image;
  std::filesystem::path file;
  core::Prompt prompt;                                                    // its text is empty: none
  std::vector<std::pair<std::string, std::string>> prompt_pictures = {};  // PromptRow::pictures
};

// Equal for items that are one row of a table of scores: the picture's name and the whole prompt,
// of which pictures count by their paths.
std::string identity(const ScoreItem& item);
std::string identity(const std::string& image, const core::Prompt& prompt,
                     std::span<const std::pair<std::string, std::string>> prompt_pictures);

struct ItemSource {
  // Picture files (PNG, JPEG, WebP), folders of them (with all folders below, in natural order;
  // names that begin with a point are left out), and tables (run/item_table.hpp), whose paths start
  // at the table's folder.
  std::vector<std::string> inputs;
  // One prompt for all, or one a picture in order.
  std::vector<std::string> prompts;
  // A text with a prompt a line, or a table with "prompt" alone, in order; or a table with "image"
  // and "prompt" (run/prompt_lookup.hpp). Not beside `prompts`.
  std::string prompts_file;
};

// Pictures without a prompt of their own take it from the table in their folder (prompts.jsonl,
// prompts.csv or prompts.tsv), or in one above it up to the folder that was given; else from the
// text file beside them (cat.png: cat.txt): the whole text without the blanks around it. `notes`
// gets what a user may want to know: rows that no picture used, tables left out.
//
// Errors: HN_NOT_FOUND (an input, a prompt for a picture), HN_INVALID_ARGUMENT (no picture, another
// number of prompts than of pictures, prompts in order for files in a shell's order, two prompts
// for a picture, a table without the column), HN_DATA_LOSS (a broken table, no UTF-8 text); all
// name file and line.
std::vector<ScoreItem> list_items(const ItemSource& source, std::vector<std::string>& notes);

// Prompts that differ, in order, for files as a shell sorts them ("10.png" before "2.png"): the
// second would be the tenth's. Errors: HN_INVALID_ARGUMENT that names both files.
void refuse_shell_order(const std::vector<std::string>& prompts,
                        const std::vector<std::string>& files);

// ".png", ".jpg", ".jpeg", ".jfif", ".jpe" or ".webp", in any case. A file that is named outright
// is known by its bytes, whatever its ending.
bool is_picture(const std::filesystem::path& file);

}  // namespace hn::host
