#include "scoring/score_items.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/formats/text.hpp>
#include <map>
#include <set>

#include "config/prompts.hpp"
#include "files/item_table.hpp"
#include "files/natural_order.hpp"
#include "scoring/prompt_lookup.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using host::cat;

// A picture, and the folder above which no table of prompts is looked for.
struct Found {
  ScoreItem item;
  fs::path root;  // tidy
};

void add_folder(const fs::path& folder, std::vector<Found>& found) {
  std::vector<fs::path> files;
  try {
    for (auto entry = fs::recursive_directory_iterator(folder);
         entry != fs::recursive_directory_iterator(); ++entry) {
      if (entry->path().filename().native().starts_with('.')) {
        entry.disable_recursion_pending();
      } else if (is_picture(entry->path()) && !entry->is_directory()) {
        // A FIFO or a broken link of such a name becomes a row that says so.
        files.push_back(entry->path().lexically_relative(folder));
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(HN_NOT_FOUND,
                cat("[", error.path1().string(), "] cannot be listed: ", error.code().message()));
  }
  if (files.empty())
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", folder.string(),
                    "] expected pictures (.png, .jpg, .jpeg, .jfif, .jpe, .webp), got none"));
  std::sort(files.begin(), files.end(), natural_less);
  for (const fs::path& file : files)
    found.push_back({{escaped_bytes(file.native()), folder / file, {}, {}}, host::tidy(folder)});
}

void add_table(const fs::path& file, std::vector<Found>& found) {
  const ItemTable table = read_picture_table(file);
  if (table.rows.empty())
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", file.string(), "] expected a row for each picture, got none"));
  for (const TableRow& row : table.rows) {
    const fs::path image = row.image;
    const fs::path place = image.is_absolute() ? image : file.parent_path() / image;
    found.push_back({{escaped_bytes(row.image), place, row.prompt.value_or(core::Prompt()),
                      row.prompt_pictures},
                     host::tidy(place).parent_path()});
  }
}

// Two pictures of one name, from two folders: both get the folder before it.
void tell_apart(std::vector<Found>& found) {
  for (bool again = true; again;) {
    again = false;
    std::map<std::string, std::set<fs::path>> files;
    for (const Found& each : found) files[each.item.image].insert(host::tidy(each.item.file));
    for (Found& each : found) {
      if (files[each.item.image].size() == 1) continue;
      const std::string longer = escaped_bytes(each.item.file.lexically_normal().native());
      again = again || longer != each.item.image;
      each.item.image = longer;
    }
  }
}

std::string caption(const ScoreItem& item) {
  const fs::path beside = fs::path(item.file).replace_extension(".txt");
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(beside, ignored))) return "";
  const std::string bytes = read_whole_file(beside, std::size_t{1} << 20);
  if (const auto problem = text_problem(bytes))
    throw Error(HN_DATA_LOSS,
                cat("[", beside.string(), "] line ", problem->line, ": ", problem->text));
  // Lines stay lines: tokenizers take their ends for blanks.
  std::string text;
  for (const std::string_view line : text_lines(without_mark(bytes))) {
    text += line;
    text += '\n';
  }
  return std::string(absl::StripAsciiWhitespace(text));
}

// From the tables in the pictures' folders (nearest first), then from the texts beside them.
void take_prompts_beside(std::vector<Found>& found, std::vector<std::string>& notes) {
  std::map<fs::path, std::vector<ScoreItem*>> below;
  std::vector<ScoreItem*> without;
  for (Found& each : found) {
    if (!each.item.prompt.text.empty()) continue;
    without.push_back(&each.item);
    for (fs::path folder = host::tidy(each.item.file).parent_path();;
         folder = folder.parent_path()) {
      below[folder].push_back(&each.item);
      if (folder == each.root || !folder.has_relative_path()) break;
    }
  }
  std::vector<fs::path> folders;
  for (const auto& [folder, items] : below) folders.push_back(folder);
  const auto depth = [](const fs::path& path) { return std::distance(path.begin(), path.end()); };
  std::stable_sort(folders.begin(), folders.end(),
                   [&](const fs::path& a, const fs::path& b) { return depth(a) > depth(b); });
  for (const fs::path& folder : folders) take_folder_prompts(folder, below[folder], notes);
  for (ScoreItem* item : without) {
    const std::string text = caption(*item);
    const std::string& listed = item->prompt.text;
    if (!listed.empty() && !text.empty() && text != listed)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[score] ", item->image, " has the prompt '", listed,
                      "' in the table of its folder and '", text, "' in the text beside it"));
    if (listed.empty()) item->prompt = text;
  }
}

// What the caller gives for all pictures.
void give_prompts(const ItemSource& source, std::vector<ScoreItem>& items,
                  std::vector<std::string>& notes) {
  std::vector<core::Prompt> prompts(source.prompts.begin(), source.prompts.end());
  if (!source.prompts_file.empty()) {
    if (!prompts.empty())
      throw Error(HN_INVALID_ARGUMENT, "[score] expected prompts or a file of them, got both");
    if (is_table(source.prompts_file)) {
      const ItemTable table = read_item_table(source.prompts_file);
      if (table.has_images) {
        look_up_prompts(table, items, notes);
        return;
      }
    }
    prompts = read_prompts(source.prompts_file);
  }
  if (prompts.size() != 1 && prompts.size() != items.size())
    throw Error(HN_INVALID_ARGUMENT, cat("[score] expected a prompt for each of ", items.size(),
                                         " pictures, or one for all, got ", prompts.size()));
  refuse_shell_order(core::texts_of(prompts), source.inputs);
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].prompt = prompts[prompts.size() == 1 ? 0 : i];
}

}  // namespace

std::string identity(const ScoreItem& item) {
  return identity(item.image, item.prompt, item.prompt_pictures);
}

std::string identity(const std::string& image, const core::Prompt& prompt,
                     std::span<const std::pair<std::string, std::string>> prompt_pictures) {
  // No text has zero bytes, which therefore end each.
  std::string all = image;
  const auto add = [&](const std::string& text) {
    all += '\0';
    all += text;
  };
  add(prompt.text);
  if (!prompt.negative.empty()) add("negative=" + prompt.negative);
  if (!prompt.json.empty()) add("metadata=" + prompt.json);
  for (const auto& [name, path] : prompt_pictures) add(name + "=" + path);
  return all;
}

void refuse_shell_order(const std::vector<std::string>& prompts,
                        const std::vector<std::string>& files) {
  if (std::adjacent_find(prompts.begin(), prompts.end(), std::not_equal_to<>()) == prompts.end() ||
      !std::is_sorted(files.begin(), files.end()))
    return;
  const auto turned = std::adjacent_find(
      files.begin(), files.end(),
      [](const std::string& a, const std::string& b) { return natural_less(b, a); });
  if (turned != files.end())
    throw Error(
        HN_INVALID_ARGUMENT,
        cat("[score] expected pictures in an order that prompts can follow, got ", *turned,
            " before ", *(turned + 1),
            ", as a shell sorts them; give their folder, or a table with image and prompt"));
}

bool is_picture(const fs::path& file) {
  const std::string end = absl::AsciiStrToLower(file.extension().string());
  return end == ".png" || end == ".jpg" || end == ".jpeg" || end == ".jfif" || end == ".jpe" ||
         end == ".webp";
}

std::vector<ScoreItem> list_items(const ItemSource& source, std::vector<std::string>& notes) {
  std::vector<Found> found;
  for (const std::string& input : source.inputs) {
    const fs::path path = input;
    check_path(path);
    std::error_code failed;
    const fs::file_status status = fs::status(path, failed);
    if (!fs::exists(status))
      throw Error(HN_NOT_FOUND, cat("[score] ", input, ": no such file or folder"));
    if (fs::is_directory(status))
      add_folder(path, found);
    else if (is_table(path))
      add_table(path, found);
    else
      found.push_back({{escaped_bytes(input), path, {}, {}}, host::tidy(path).parent_path()});
  }
  if (found.empty()) throw Error(HN_INVALID_ARGUMENT, "[score] expected pictures, got none");
  tell_apart(found);
  const bool given = !source.prompts.empty() || !source.prompts_file.empty();
  if (!given) take_prompts_beside(found, notes);
  std::vector<ScoreItem> items;
  for (Found& each : found) items.push_back(std::move(each.item));
  if (given) give_prompts(source, items, notes);
  return items;
}

}  // namespace hn::host
