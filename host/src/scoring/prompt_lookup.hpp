// Which row of a table is a picture's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "files/item_table.hpp"
#include "scoring/score_items.hpp"

namespace hn::host {

// Gives each picture the prompt of its row. A row is a picture's when both are the same file (paths
// in a table start at its folder), else when the paths' ends agree: the row that agrees in the
// longest part wins, a name with its ending before one without or with another. Where one path is
// wholly the end of the other ("a.png", "x/a.png"), several pictures may share a row; where the
// folders differ ("old/a.png", "new/a.png"), a row is only its nearest picture's.
//
// `notes` gets a text about rows that no picture used. Errors, with file and lines: HN_NOT_FOUND (a
// picture without a row), HN_INVALID_ARGUMENT (two rows with different prompts fit alike, a row
// fits two pictures alike, a table without prompts).
void look_up_prompts(const ItemTable& table, std::span<ScoreItem> items,
                     std::vector<std::string>& notes);

// The table that stands in a folder beside its pictures: prompts.jsonl, prompts.csv or prompts.tsv.
// Gives those of `items` that have no prompt the one of their row; a row names a picture by its
// path from the folder, or by that path without its ending. A picture may be without a row. Tables
// without pictures or prompts are left out, and a note says so.
// Errors: HN_INVALID_ARGUMENT (two such tables, two prompts for one picture), those of
// read_item_table. Returns whether there is a table.
bool take_folder_prompts(const std::filesystem::path& folder, std::span<ScoreItem* const> items,
                         std::vector<std::string>& notes);

}  // namespace hn::host
