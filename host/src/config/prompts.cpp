#include "config/prompts.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/text.hpp>

#include "files/prompt_row.hpp"
#include "support/cat.hpp"
#include "support/csv.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

constexpr std::size_t kMaxBytes = 1u << 30;

[[noreturn]] void fail(const std::filesystem::path& file, std::size_t line,
                       const std::string& text) {
  throw Error(HN_INVALID_ARGUMENT, cat("[prompts] ", file.string(), ":", line, ": ", text));
}

bool blank(std::string_view line) { return absl::StripAsciiWhitespace(to_absl(line)).empty(); }

std::vector<core::Prompt> from_text(const std::vector<std::string_view>& lines) {
  std::vector<core::Prompt> prompts;
  for (const std::string_view line : lines)
    if (!blank(line)) prompts.emplace_back(std::string(line));
  return prompts;
}

core::Prompt prompt_of(std::string text, const std::filesystem::path& file, std::size_t line,
                       PictureKey key, const std::function<nlohmann::json()>& fields) {
  try {
    return read_prompt_row(std::move(text), fields(), file.parent_path(), key).prompt;
  } catch (const Error& error) {
    throw Error(error.code(), cat("[prompts] ", file.string(), ":", line, ": ", error.what()));
  }
}

std::vector<core::Prompt> from_table(const std::filesystem::path& file, std::string_view text,
                                     char separator) {
  const std::vector<CsvRow> rows = parse_csv(text, separator, file.string());
  if (rows.empty()) return {};
  const std::vector<std::string>& header = rows[0].cells;
  const auto column = std::find(header.begin(), header.end(), "prompt");
  if (column == header.end())
    fail(file, 1,
         cat("expected a column 'prompt', got ", absl::StrJoin(header, ", "),
             nearest("prompt", header).empty() ? "" : suggestion("prompt", header)));
  if (std::find(column + 1, header.end(), "prompt") != header.end())
    fail(file, 1, "expected one column 'prompt', got two");
  const auto index = static_cast<std::size_t>(column - header.begin());
  const bool guarded = has_guarded_texts(header);
  std::vector<core::Prompt> prompts;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<std::string> cells = rows[i].cells;
    if (cells.size() < header.size())
      fail(file, rows[i].line, cat("expected ", header.size(), " columns, got ", cells.size()));
    if (blank(cells[index])) fail(file, rows[i].line, "the prompt is empty");
    if (guarded) std::transform(cells.begin(), cells.end(), cells.begin(), plain_text);
    prompts.push_back(prompt_of(cells[index], file, rows[i].line, PictureKey::kPromptImage,
                                [&] { return prompt_cells(header, cells); }));
  }
  return prompts;
}

std::vector<core::Prompt> from_jsonl(const std::filesystem::path& file,
                                     const std::vector<std::string_view>& lines) {
  std::vector<core::Prompt> prompts;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (blank(lines[i])) continue;
    nlohmann::json json;
    try {
      json = parse_json(lines[i], "expected a JSON object on each line");
    } catch (const Error& error) {
      fail(file, i + 1, error.what());
    }
    if (!json.is_object()) fail(file, i + 1, "expected a JSON object on each line");
    if (!json.contains("prompt") || !json["prompt"].is_string())
      fail(file, i + 1, "expected a text under \"prompt\"");
    auto text = json["prompt"].get<std::string>();
    if (text.find('\0') != std::string::npos) fail(file, i + 1, "a zero byte in prompt");
    if (blank(text)) fail(file, i + 1, "the prompt is empty");
    prompts.push_back(
        prompt_of(std::move(text), file, i + 1, PictureKey::kImage, [&] { return json; }));
  }
  return prompts;
}

}  // namespace

std::vector<core::Prompt> read_prompts(const std::filesystem::path& file) {
  const std::string bytes = read_whole_file(file, kMaxBytes);
  if (const auto problem = text_problem(bytes)) fail(file, problem->line, problem->text);
  const std::string_view text = without_mark(bytes);
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  std::vector<core::Prompt> prompts = ending == ".tsv"     ? from_table(file, text, '\t')
                                      : ending == ".csv"   ? from_table(file, text, ',')
                                      : ending == ".jsonl" ? from_jsonl(file, text_lines(text))
                                                           : from_text(text_lines(text));
  if (prompts.empty())
    throw Error(HN_INVALID_ARGUMENT, cat("[prompts] ", file.string(), ": no prompt in it"));
  return prompts;
}

}  // namespace hn::host
