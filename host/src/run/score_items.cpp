#include "run/score_items.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/prompts.hpp"
#include "run/csv.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::run {
namespace {

namespace fs = std::filesystem;
using host::cat;

constexpr std::uint64_t kMaxTableBytes = std::uint64_t{1} << 30;

std::string ending(const fs::path& file) {
  return absl::AsciiStrToLower(file.extension().string());
}

bool is_table(const fs::path& file) {
  const std::string end = ending(file);
  return end == ".csv" || end == ".tsv" || end == ".jsonl";
}

struct TableRow {
  std::string image;
  std::optional<std::string> prompt;
};

std::size_t column(const std::vector<std::string>& header,
                   std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto at = std::find(header.begin(), header.end(), name);
    if (at != header.end()) return static_cast<std::size_t>(at - header.begin());
  }
  return header.size();
}

std::vector<TableRow> read_csv(const fs::path& file, const std::string& text) {
  const auto rows = parse_csv(text, ending(file) == ".tsv" ? '\t' : ',', file.string());
  if (rows.empty()) throw Error(HN_INVALID_ARGUMENT, cat("[", file.string(), "] no row in it"));
  const std::vector<std::string>& header = rows[0].cells;
  const std::size_t image = column(header, {"image", "file", "path"});
  const std::size_t prompt = column(header, {"prompt", "caption"});
  if (image == header.size())
    throw Error(
        HN_INVALID_ARGUMENT,
        cat("[", file.string(), "] expected a column image, file or path in its first row"));
  std::vector<TableRow> out;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].cells.size() != header.size())
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", file.string(), "] line ", rows[i].line, ": expected ", header.size(),
                      " columns, got ", rows[i].cells.size()));
    TableRow row{rows[i].cells[image], std::nullopt};
    if (prompt < header.size()) row.prompt = rows[i].cells[prompt];
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<TableRow> read_jsonl(const fs::path& file, const std::string& text) {
  std::vector<TableRow> out;
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view each = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (each.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto json = nlohmann::json::parse(each, nullptr, false);
    const auto field = [&](std::initializer_list<const char*> names) -> std::optional<std::string> {
      for (const char* name : names)
        if (json.is_object() && json.contains(name) && json.at(name).is_string())
          return json.at(name).get<std::string>();
      return std::nullopt;
    };
    const auto image = field({"image", "file", "path"});
    if (!image)
      throw Error(HN_INVALID_ARGUMENT,
                  cat("[", file.string(), "] line ", line,
                      ": expected a JSON object with a text under image, file or path"));
    out.push_back({*image, field({"prompt", "caption"})});
  }
  return out;
}

std::vector<TableRow> read_table(const fs::path& file) {
  const std::string text = host::read_file(file, kMaxTableBytes);
  if (const std::size_t line = host::invalid_utf8_line(text))
    throw Error(HN_DATA_LOSS, cat("[", file.string(), "] line ", line, ": not UTF-8"));
  return ending(file) == ".jsonl" ? read_jsonl(file, text) : read_csv(file, text);
}

void add_folder(const fs::path& folder, std::vector<ScoreItem>& items) {
  const std::size_t before = items.size();
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && is_picture(entry.path()))
      items.push_back({entry.path().lexically_relative(folder).string(), entry.path(), ""});
  if (items.size() == before)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", folder.string(), "] expected .png, .jpg or .webp pictures, got none"));
  std::sort(items.begin() + static_cast<std::ptrdiff_t>(before), items.end(),
            [](const ScoreItem& a, const ScoreItem& b) { return a.image < b.image; });
}

void add_table(const fs::path& file, std::vector<ScoreItem>& items) {
  for (TableRow& row : read_table(file)) {
    const fs::path image = row.image;
    items.push_back({row.image, image.is_absolute() ? image : file.parent_path() / image,
                     row.prompt.value_or("")});
  }
}

// By path, name, and name without its ending; the more exact one wins.
void look_up_prompts(const fs::path& file, std::vector<ScoreItem>& items) {
  std::map<std::string, std::string> by_path, by_name, by_stem;
  for (const TableRow& row : read_table(file)) {
    if (!row.prompt)
      throw Error(HN_INVALID_ARGUMENT, cat("[", file.string(), "] expected a column prompt"));
    const fs::path image = row.image;
    by_path[row.image] = by_name[image.filename().string()] = *row.prompt;
    by_stem[image.stem().string()] = *row.prompt;
  }
  for (ScoreItem& item : items) {
    const auto take = [&](const std::map<std::string, std::string>& from, const std::string& key) {
      const auto at = from.find(key);
      if (at == from.end()) return false;
      item.prompt = at->second;
      return true;
    };
    const fs::path image = item.image;
    if (!take(by_path, item.image) && !take(by_name, image.filename().string()) &&
        !take(by_stem, image.stem().string()))
      throw Error(HN_NOT_FOUND, cat("[", file.string(), "] no row for ", item.image));
  }
}

void give_prompts(const ItemSource& source, std::vector<ScoreItem>& items) {
  std::vector<std::string> prompts = source.prompts;
  if (!source.prompts_file.empty()) {
    if (!prompts.empty())
      throw Error(HN_INVALID_ARGUMENT, "[score] expected prompts or a file of them, got both");
    // A table with an image column is looked up; one without is a list in order.
    if (is_table(source.prompts_file)) return look_up_prompts(source.prompts_file, items);
    prompts = host::read_prompts(source.prompts_file);
  }
  if (prompts.empty()) {
    for (ScoreItem& item : items) {
      const fs::path beside = fs::path(item.file).replace_extension(".txt");
      std::error_code ignored;
      if (item.prompt.empty() && fs::is_regular_file(beside, ignored))
        item.prompt = std::string(absl::StripAsciiWhitespace(host::read_file(beside, 1u << 20)));
    }
    return;
  }
  if (prompts.size() != 1 && prompts.size() != items.size())
    throw Error(HN_INVALID_ARGUMENT, cat("[score] expected a prompt for each of ", items.size(),
                                         " pictures, or one for all, got ", prompts.size()));
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].prompt = prompts[prompts.size() == 1 ? 0 : i];
}

}  // namespace

bool is_picture(const fs::path& file) {
  const std::string end = ending(file);
  return end == ".png" || end == ".jpg" || end == ".jpeg" || end == ".webp";
}

std::vector<ScoreItem> list_items(const ItemSource& source) {
  std::vector<ScoreItem> items;
  for (const std::string& input : source.inputs) {
    const fs::path path = input;
    std::error_code failed;
    const fs::file_status status = fs::status(path, failed);
    if (!fs::exists(status))
      throw Error(HN_NOT_FOUND, cat("[score] ", input, ": no such file or folder"));
    if (fs::is_directory(status))
      add_folder(path, items);
    else if (is_table(path))
      add_table(path, items);
    else
      items.push_back({input, path, ""});
  }
  if (items.empty()) throw Error(HN_INVALID_ARGUMENT, "[score] expected pictures, got none");
  give_prompts(source, items);
  return items;
}

}  // namespace hn::run
