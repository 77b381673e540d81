#include "config/prompts.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/text.hpp>

#include "files/decode_image.hpp"
#include "files/image.hpp"
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
  const auto negative = std::find(header.begin(), header.end(), "negative");
  const auto index = static_cast<std::size_t>(column - header.begin());
  const bool guarded = has_guarded_texts(header);
  std::vector<core::Prompt> prompts;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    if (cells.size() < header.size())
      fail(file, rows[i].line, cat("expected ", header.size(), " columns, got ", cells.size()));
    if (blank(cells[index])) fail(file, rows[i].line, "the prompt is empty");
    const auto cell = [&](std::size_t at) { return guarded ? plain_text(cells[at]) : cells[at]; };
    core::Prompt prompt(cell(index));
    if (negative != header.end())
      prompt.negative = cell(static_cast<std::size_t>(negative - header.begin()));
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::string text_under(const nlohmann::json& row, const char* key,
                       const std::filesystem::path& file, std::size_t line) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return {};
  if (!found->is_string()) fail(file, line, cat("expected a text under \"", key, "\""));
  auto text = found->get<std::string>();
  if (text.find('\0') != std::string::npos) fail(file, line, cat("a zero byte in ", key));
  return text;
}

// Pictures that a prompt brings along: three channels, or one of a mask (its mean over the
// colours).
core::PromptTensor picture_under(const std::string& key, const std::filesystem::path& path) {
  const std::vector<Image> images = {read_image(path)};
  const std::vector<std::string> names = {path.string()};
  core::PromptTensor named{key, from_images(images, names)};
  auto& shape = named.tensor.shape;
  shape.erase(shape.begin());
  if (key != "mask") return named;
  const std::size_t plane = named.tensor.data.size() / 3;
  for (std::size_t i = 0; i < plane; ++i)
    named.tensor.data[i] =
        (named.tensor.data[i] + named.tensor.data[plane + i] + named.tensor.data[2 * plane + i]) /
        3;
  named.tensor.data.resize(plane);
  shape[0] = 1;
  return named;
}

core::Prompt from_json(const nlohmann::json& row, const std::filesystem::path& file,
                       std::size_t line) {
  if (!row.contains("prompt") || !row["prompt"].is_string())
    fail(file, line, "expected a text under \"prompt\"");
  core::Prompt prompt(text_under(row, "prompt", file, line));
  if (blank(prompt.text)) fail(file, line, "the prompt is empty");
  prompt.negative = text_under(row, "negative", file, line);
  if (const auto found = row.find("metadata"); found != row.end() && !found->is_null()) {
    if (!found->is_object()) fail(file, line, "expected an object under \"metadata\"");
    prompt.json = found->dump();
  }
  std::vector<core::PromptTensor> tensors;
  for (const char* key : {"image", "mask"}) {
    const std::string given = text_under(row, key, file, line);
    if (given.empty()) continue;
    try {
      tensors.push_back(picture_under(key, file.parent_path() / given));
    } catch (const Error& error) {
      throw Error(error.code(), cat("[prompts] ", file.string(), ":", line, ": ", error.what()));
    }
  }
  if (!tensors.empty())
    prompt.tensors = std::make_shared<const std::vector<core::PromptTensor>>(std::move(tensors));
  return prompt;
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
    prompts.push_back(from_json(json, file, i + 1));
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
