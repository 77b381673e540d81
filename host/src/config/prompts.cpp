#include "config/prompts.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

constexpr std::uint64_t kMaxBytes = 1u << 30;

// Length of the UTF-8 character that begins here, 0 when there is none (RFC 3629: no overlong form,
// no surrogate, nothing above U+10FFFF).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  const unsigned char second = byte(1);
  const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                   (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return bad ? 0 : length;
}

[[noreturn]] void fail(const std::filesystem::path& file, std::size_t line,
                       const std::string& text) {
  throw Error(HN_INVALID_ARGUMENT, cat("[prompts] ", file.string(), ":", line, ": ", text));
}

bool blank(std::string_view line) { return absl::StripAsciiWhitespace(to_absl(line)).empty(); }

// The lines without their ends; CR LF counts as one end.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines = absl::StrSplit(to_absl(text), '\n');
  for (std::string& line : lines)
    if (line.ends_with('\r')) line.pop_back();
  return lines;
}

std::vector<std::string> from_text(const std::vector<std::string>& lines) {
  std::vector<std::string> prompts;
  std::copy_if(lines.begin(), lines.end(), std::back_inserter(prompts),
               [](const std::string& line) { return !blank(line); });
  return prompts;
}

std::vector<std::string> from_tsv(const std::filesystem::path& file,
                                  const std::vector<std::string>& lines) {
  const std::vector<std::string> header = absl::StrSplit(lines[0], '\t');
  const auto column = std::find(header.begin(), header.end(), "prompt");
  if (column == header.end())
    fail(file, 1,
         cat("expected a column 'prompt', got ", absl::StrJoin(header, ", "),
             nearest("prompt", header).empty() ? "" : suggestion("prompt", header)));
  const auto index = static_cast<std::size_t>(column - header.begin());
  std::vector<std::string> prompts;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (blank(lines[i])) continue;
    const std::vector<std::string> cells = absl::StrSplit(lines[i], '\t');
    if (cells.size() <= index)
      fail(file, i + 1, cat("expected ", header.size(), " columns, got ", cells.size()));
    if (blank(cells[index])) fail(file, i + 1, "the prompt is empty");
    prompts.push_back(cells[index]);
  }
  return prompts;
}

std::vector<std::string> from_jsonl(const std::filesystem::path& file,
                                    const std::vector<std::string>& lines) {
  std::vector<std::string> prompts;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (blank(lines[i])) continue;
    const auto json = nlohmann::json::parse(lines[i], nullptr, false);
    if (!json.is_object()) fail(file, i + 1, "expected a JSON object on each line");
    const auto prompt = json.find("prompt");
    if (prompt == json.end() || !prompt->is_string())
      fail(file, i + 1, "expected a text under \"prompt\"");
    prompts.push_back(prompt->get<std::string>());
    if (blank(prompts.back())) fail(file, i + 1, "the prompt is empty");
  }
  return prompts;
}

}  // namespace

std::size_t invalid_utf8_line(std::string_view text) {
  std::size_t line = 1;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length == 0) return line;
    if (text[0] == '\n') ++line;
    text.remove_prefix(length);
  }
  return 0;
}

std::vector<std::string> read_prompts(const std::filesystem::path& file) {
  std::string text = read_file(file, kMaxBytes);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // a byte order mark is no prompt
  if (const std::size_t line = invalid_utf8_line(text)) fail(file, line, "not UTF-8");
  if (const std::size_t zero = text.find('\0'); zero != std::string::npos)
    fail(file, 1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + zero, '\n')),
         "a zero byte; is this a text file?");
  const std::vector<std::string> lines = lines_of(text);
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  std::vector<std::string> prompts = ending == ".tsv"     ? from_tsv(file, lines)
                                     : ending == ".jsonl" ? from_jsonl(file, lines)
                                                          : from_text(lines);
  if (prompts.empty())
    throw Error(HN_INVALID_ARGUMENT, cat("[prompts] ", file.string(), ": no prompt in it"));
  return prompts;
}

}  // namespace hn::host
