#include "files/item_table.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/text.hpp>

#include "files/prompt_row.hpp"
#include "support/cat.hpp"
#include "support/csv.hpp"

namespace hn::host {
namespace {

using host::cat;

constexpr std::size_t kMaxTableBytes = std::size_t{1} << 30;
constexpr std::initializer_list<const char*> kImage = {"image", "file", "path"};
constexpr std::initializer_list<const char*> kPrompt = {"prompt", "caption"};

std::string ending(const std::filesystem::path& file) {
  return absl::AsciiStrToLower(file.extension().string());
}

[[noreturn]] void fail(const ItemTable& table, std::size_t line, const std::string& text,
                       hn_status code = HN_INVALID_ARGUMENT) {
  throw Error(code, cat("[", table.file.string(), "] line ", line, ": ", text));
}

// The first of the names that is a column; header.size() where none is.
std::size_t column(const ItemTable& table, const std::vector<std::string>& header,
                   std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto at = std::find(header.begin(), header.end(), name);
    if (at == header.end()) continue;
    if (std::find(at + 1, header.end(), name) != header.end())
      fail(table, 1, cat("expected one column ", name, ", got two"));
    return static_cast<std::size_t>(at - header.begin());
  }
  return header.size();
}

void check_image(const ItemTable& table, const TableRow& row) {
  if (row.image.empty()) fail(table, row.line, "expected a picture's path, got none");
  if (row.image.find('\0') != std::string::npos)
    fail(table, row.line, cat(row.image.c_str(), "\\0...: expected a path, got a zero byte in it"));
}

// The row's prompt, where it has one. fields: a JSON object of those beside the text.
void take_prompt(const ItemTable& table, TableRow& row, std::optional<std::string> text,
                 const std::function<nlohmann::json()>& fields) {
  try {
    const nlohmann::json given = fields();
    if (!text) {
      if (has_prompt_fields(given, PictureKey::kPromptImage))
        throw Error(HN_INVALID_ARGUMENT,
                    "expected a prompt, got negative, metadata or pictures of one alone");
      return;
    }
    PromptRow read = read_prompt_row(*std::move(text), given, table.file.parent_path(),
                                     PictureKey::kPromptImage);
    row.prompt = std::move(read.prompt);
    row.prompt_pictures = std::move(read.pictures);
  } catch (const Error& error) {
    fail(table, row.line, error.what(), error.code());
  }
}

void read_cells(ItemTable& table, std::string_view text) {
  const char separator = ending(table.file) == ".tsv" ? '\t' : ',';
  const auto rows = host::parse_csv(text, separator, table.file.string());
  if (rows.empty())
    throw Error(HN_INVALID_ARGUMENT, cat("[", table.file.string(), "] no row in it"));
  const std::vector<std::string>& header = rows[0].cells;
  const std::size_t image = column(table, header, kImage), prompt = column(table, header, kPrompt);
  const bool guarded = host::has_guarded_texts(header);
  table.has_images = image < header.size();
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<std::string> cells = rows[i].cells;
    if (cells.size() != header.size())
      fail(table, rows[i].line, cat("expected ", header.size(), " columns, got ", cells.size()));
    if (guarded) std::transform(cells.begin(), cells.end(), cells.begin(), host::plain_text);
    TableRow row;
    row.line = rows[i].line;
    if (table.has_images) {
      row.image = cells[image];
      check_image(table, row);
    }
    take_prompt(table, row, prompt < header.size() ? std::optional(cells[prompt]) : std::nullopt,
                [&] { return prompt_cells(header, cells); });
    table.rows.push_back(std::move(row));
  }
}

// The text under the first of the keys that is there; null counts as absent.
std::optional<std::string> field(const ItemTable& table, std::size_t line,
                                 const nlohmann::json& json,
                                 std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto at = json.find(name);
    if (at == json.end() || at->is_null()) continue;
    if (!at->is_string()) fail(table, line, cat("expected a JSON object with a text under ", name));
    auto text = at->get<std::string>();
    if (text.find('\0') != std::string::npos)
      fail(table, line, cat(name, ": expected text, got a zero byte in it"));
    return text;
  }
  return std::nullopt;
}

void read_json_lines(ItemTable& table, std::string_view text) {
  std::size_t line = 0, without = 0;
  for (const std::string_view each : text_lines(text)) {
    ++line;
    if (each.find_first_not_of(" \t") == std::string_view::npos) continue;
    const auto json = parse_json(each, cat("[", table.file.string(), "] line ", line));
    if (!json.is_object()) fail(table, line, "expected a JSON object");
    TableRow row;
    row.line = line;
    if (auto image = field(table, line, json, kImage)) {
      row.image = *std::move(image);
      check_image(table, row);
      table.has_images = true;
    } else if (without == 0) {
      without = line;
    }
    take_prompt(table, row, field(table, line, json, kPrompt), [&] { return json; });
    table.rows.push_back(std::move(row));
  }
  if (table.has_images && without > 0)
    fail(table, without, "expected a JSON object with a text under image, file or path");
}

}  // namespace

bool is_table(const std::filesystem::path& file) {
  const std::string end = ending(file);
  return end == ".csv" || end == ".tsv" || end == ".jsonl";
}

ItemTable read_item_table(const std::filesystem::path& file) {
  ItemTable table;
  table.file = file;
  const std::string bytes = read_whole_file(file, kMaxTableBytes);
  if (const auto problem = text_problem(bytes))
    fail(table, problem->line, problem->text, HN_DATA_LOSS);
  if (ending(file) == ".jsonl")
    read_json_lines(table, without_mark(bytes));
  else
    read_cells(table, without_mark(bytes));
  return table;
}

ItemTable read_picture_table(const std::filesystem::path& file) {
  ItemTable table = read_item_table(file);
  if (!table.has_images)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[", file.string(),
                    "] expected a column image, file or path in its first row, or a "
                    "JSON object with a text under one of them on each line"));
  return table;
}

}  // namespace hn::host
