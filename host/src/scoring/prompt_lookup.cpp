#include "scoring/prompt_lookup.hpp"

#include <algorithm>
#include <cstdint>
#include <hn/cpp/error.hpp>
#include <hn/formats/text.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using host::cat;
using Parts = std::vector<std::string>;

// Folders and name, without what only says where to begin ("/", "..", ".").
Parts parts_of(const fs::path& path) {
  Parts parts;
  for (const fs::path& part : path.lexically_normal())
    if (part.has_filename() && part != "." && part != "..")
      parts.push_back(invalid_utf8(part.native()) == std::string::npos
                          ? part.native()
                          : escaped_bytes(part.native()));
  return parts;
}

// "cat" of "cat.png"; "0.75" stays: what ends a name begins with a letter.
std::string_view without_ending(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) return name;
  const char first = name[dot + 1];
  const bool letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
  return letter && name.size() - dot <= 6 ? name.substr(0, dot) : name;
}

struct Place {
  explicit Place(const fs::path& path, const fs::path& file)
      : given(parts_of(path)), absolute(host::tidy(file)) {
    std::error_code failed;
    real = fs::weakly_canonical(absolute, failed);
    if (failed) real = absolute;
  }
  bool same_file(const Place& other) const {
    return absolute == other.absolute || real == other.real;
  }

  Parts given;
  fs::path absolute, real;
};

std::size_t common_end(const Parts& a, const Parts& b) {
  std::size_t n = 1;  // the names, however they agree
  while (n < a.size() && n < b.size() && a[a.size() - 1 - n] == b[b.size() - 1 - n]) ++n;
  return n;
}

// How well a row fits a picture; larger is better.
struct Fit {
  bool same_file = false;
  bool whole = false;  // one path is the end of the other
  int name = 0;        // 2: the name, 1: without its ending, 0: not at all
  std::size_t parts = 0;

  auto rank() const { return std::tuple(same_file, whole, name, parts); }
  bool sure() const { return same_file || whole; }
};

class Lookup {
 public:
  Lookup(const ItemTable& table, std::span<const ScoreItem> items) : table_(table), items_(items) {
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const fs::path image = table.rows[i].image;
      rows_.emplace_back(image, table.file.parent_path() / image);
      if (rows_.back().given.empty()) fail(i, "expected a picture's path");
      const std::string& name = rows_.back().given.back();
      index(i, kName, name);
      if (without_ending(name) != name) index(i, kStem, without_ending(name));
      by_file_[rows_.back().real.native()].push_back(i);
    }
    for (const ScoreItem& item : items) {
      pictures_.emplace_back(item.image, item.file);
      paths_.push_back(parts_of(pictures_.back().absolute));
    }
    users_.resize(rows_.size());
  }

  // The row of each picture; rows_.size() where there is none.
  std::vector<std::size_t> run() {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < items_.size(); ++i) chosen.push_back(best_row(i));
    for (std::size_t i = 0; i < items_.size(); ++i)
      if (chosen[i] < rows_.size() && !is_nearest(i, chosen[i])) chosen[i] = rows_.size();
    return chosen;
  }

  bool used(std::size_t row) const { return !users_[row].empty(); }

 private:
  using Index = std::unordered_map<std::uint64_t, std::vector<std::size_t>>;
  enum Kind : std::uint64_t { kName = 1, kStem = 2 };

  // Of the name, of the name with the folder before it, and so on. Equal ends have equal hashes;
  // fit() looks at the ends themselves.
  static std::vector<std::uint64_t> end_hashes(const Parts& parts, Kind kind,
                                               std::string_view name) {
    constexpr std::uint64_t kPrime = 1099511628211u;
    constexpr std::size_t kDeepest = 16;
    const std::hash<std::string_view> hash;
    std::vector<std::uint64_t> hashes = {kind * kPrime + hash(name)};
    for (std::size_t n = 1; n < std::min(parts.size(), kDeepest); ++n)
      hashes.push_back(hashes.back() * kPrime + hash(parts[parts.size() - 1 - n]));
    return hashes;
  }

  void index(std::size_t row, Kind kind, std::string_view name) {
    const std::vector<std::uint64_t> ends = end_hashes(rows_[row].given, kind, name);
    for (const std::uint64_t end : ends) ends_[end].push_back(row);
    whole_[ends.back()].push_back(row);
  }

  [[noreturn]] void fail(std::size_t row, const std::string& text) const {
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", table_.file.string(), "] line ", table_.rows[row].line, ": ", text));
  }

  Fit fit(std::size_t item, std::size_t row) const {
    const Parts &path = paths_[item], &given = rows_[row].given;
    const std::string_view picture = path.back(), name = given.back();
    Fit fit;
    fit.same_file = pictures_[item].same_file(rows_[row]);
    const std::string_view stem = without_ending(picture);
    const bool bare = name == stem;  // no ending to disagree with
    fit.name = name == picture ? 2 : bare || without_ending(name) == stem ? 1 : 0;
    if (fit.name == 0) return fit;
    fit.parts = common_end(path, given);
    fit.whole = (fit.name == 2 || bare) &&
                fit.parts >= std::min(given.size(), pictures_[item].given.size());
    return fit;
  }

  // The rows that can be the best: for the name, for the name without its ending, and for one with
  // another, those that agree in the longest end, and those that are wholly an end themselves. So
  // ten thousand pictures called 0000.png cost no hundred million looks.
  std::vector<std::size_t> candidates(std::size_t item) const {
    std::vector<std::size_t> rows;
    const auto add = [&rows](const Index& index, std::uint64_t key) {
      const auto found = index.find(key);
      if (found == index.end()) return false;
      rows.insert(rows.end(), found->second.begin(), found->second.end());
      return true;
    };
    const Parts& path = paths_[item];
    const std::string_view stem = without_ending(path.back());
    for (const auto& [kind, name] : {std::pair(kName, std::string_view(path.back())),
                                     std::pair(kName, stem), std::pair(kStem, stem)}) {
      const std::vector<std::uint64_t> ends = end_hashes(path, kind, name);
      bool found = false;
      for (std::size_t n = ends.size(); n-- > 0;) {
        add(whole_, ends[n]);
        found = found || add(ends_, ends[n]);
      }
    }
    if (const auto found = by_file_.find(pictures_[item].real.native()); found != by_file_.end())
      rows.insert(rows.end(), found->second.begin(), found->second.end());
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    return rows;
  }

  std::size_t best_row(std::size_t item) {
    std::vector<std::size_t> best;
    Fit top;
    for (const std::size_t row : candidates(item)) {
      const Fit now = fit(item, row);
      if (now.name == 0 && !now.same_file) continue;
      if (!best.empty() && now.rank() < top.rank()) continue;
      if (best.empty() || now.rank() > top.rank()) best.clear();
      best.push_back(row);
      top = now;
    }
    if (best.empty()) return rows_.size();
    for (const std::size_t row : best)
      if (table_.rows[row].prompt != table_.rows[best[0]].prompt) ambiguous(item, best[0], row);
    for (const std::size_t row : best) users_[row].push_back({item, top});
    return best[0];
  }

  [[noreturn]] void ambiguous(std::size_t item, std::size_t a, std::size_t b) const {
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", table_.file.string(), "] ", items_[item].image, ": line ",
                    table_.rows[a].line, " (", table_.rows[a].image, ") and line ",
                    table_.rows[b].line, " (", table_.rows[b].image,
                    ") fit alike and have different prompts; give more of the paths"));
  }

  // A row whose folders or ending differ belongs to one picture at most.
  bool is_nearest(std::size_t item, std::size_t row) const {
    const auto mine = std::find_if(users_[row].begin(), users_[row].end(),
                                   [&](const User& user) { return user.item == item; });
    if (mine->fit.sure()) return true;
    for (const User& other : users_[row]) {
      if (pictures_[other.item].same_file(pictures_[item])) continue;
      if (other.fit.rank() > mine->fit.rank()) return false;
      if (other.fit.rank() == mine->fit.rank())
        fail(row, cat(table_.rows[row].image, " fits ", items_[item].image, " and ",
                      items_[other.item].image, " alike; give more of the paths"));
    }
    return true;
  }

  struct User {
    std::size_t item;
    Fit fit;
  };

  const ItemTable& table_;
  std::span<const ScoreItem> items_;
  std::vector<Place> rows_, pictures_;
  std::vector<Parts> paths_;  // of the pictures, from the root
  Index ends_, whole_;        // rows by each end of their paths, and by the whole
  std::unordered_map<std::string, std::vector<std::size_t>> by_file_;
  std::vector<std::vector<User>> users_;
};

template <class Used>
void note_unused(const ItemTable& table, const Used& used, std::vector<std::string>& notes) {
  std::size_t count = 0, first = 0;
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    if (!used(i) && count++ == 0) first = i;
  if (count == 0) return;
  notes.push_back(cat("[", table.file.string(), "] no picture for ", count, " of ",
                      table.rows.size(), " rows, the first in line ", table.rows[first].line, ": ",
                      table.rows[first].image));
}

void give(ScoreItem& item, const TableRow& row) {
  item.prompt = row.prompt.value_or(core::Prompt());
  item.prompt_pictures = row.prompt_pictures;
}

// The table's path, empty where there is none.
fs::path folder_table(const fs::path& folder) {
  fs::path found;
  for (const char* name : {"prompts.jsonl", "prompts.csv", "prompts.tsv"}) {
    std::error_code ignored;
    const fs::path file = folder / name;
    if (!fs::exists(fs::symlink_status(file, ignored))) continue;
    if (!found.empty())
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", file.string(),
                      "] expected one table of prompts "
                      "in the folder, got ",
                      found.filename().string(), " too; name one by --prompts"));
    found = file;
  }
  return found;
}

}  // namespace

void look_up_prompts(const ItemTable& table, std::span<ScoreItem> items,
                     std::vector<std::string>& notes) {
  for (const TableRow& row : table.rows)
    if (!row.prompt)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", table.file.string(), "] line ", row.line, ": expected a column prompt"));
  Lookup lookup(table, items);
  const std::vector<std::size_t> rows = lookup.run();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (rows[i] == table.rows.size())
      throw Error(HN_NOT_FOUND, cat("[", table.file.string(), "] no row for ", items[i].image));
    give(items[i], table.rows[rows[i]]);
  }
  note_unused(
      table, [&](std::size_t row) { return lookup.used(row); }, notes);
}

bool take_folder_prompts(const fs::path& folder, std::span<ScoreItem* const> items,
                         std::vector<std::string>& notes) {
  const fs::path file = folder_table(folder);
  if (file.empty()) return false;
  const ItemTable table = read_item_table(file);
  const bool prompts = std::any_of(table.rows.begin(), table.rows.end(),
                                   [](const TableRow& row) { return row.prompt.has_value(); });
  if (!table.has_images || !prompts) {
    notes.push_back(cat("[", file.string(), "] left out: expected the columns image and prompt"));
    return false;
  }
  std::unordered_map<std::string, std::vector<std::size_t>> by_path;
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    by_path[host::tidy(folder / table.rows[i].image).native()].push_back(i);
  std::vector<bool> used(table.rows.size(), false);
  for (ScoreItem* const item : items) {
    const fs::path path = host::tidy(item->file);
    auto rows = by_path.find(path.native());
    if (rows == by_path.end()) {
      const fs::path bare = path.parent_path() / without_ending(path.filename().native());
      rows = by_path.find(bare.native());
    }
    if (rows == by_path.end()) continue;
    for (const std::size_t row : rows->second) {
      used[row] = true;
      const std::size_t first = rows->second[0];
      if (table.rows[row].prompt != table.rows[first].prompt)
        throw Error(HN_INVALID_ARGUMENT,
                    cat("[", file.string(), "] ", item->image, " has different prompts in line ",
                        table.rows[first].line, " and line ", table.rows[row].line));
    }
    if (item->prompt.text.empty()) give(*item, table.rows[rows->second[0]]);
  }
  note_unused(
      table, [&](std::size_t row) { return used[row]; }, notes);
  return true;
}

}  // namespace hn::host
