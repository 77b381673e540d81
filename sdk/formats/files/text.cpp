#include <algorithm>
#include <cstdint>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/cpp/utf8.hpp>
#include <hn/formats/text.hpp>

namespace hn {
namespace {

constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";
constexpr char kHex[] = "0123456789abcdef";

std::string hex(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return {kHex[value >> 4], kHex[value & 15]};
}

// The encoding that a byte order mark names; UTF-32's little-endian mark begins as UTF-16's.
const char* foreign_encoding(std::string_view bytes) {
  if (bytes.starts_with(std::string_view("\xff\xfe\0\0", 4)) ||
      bytes.starts_with(std::string_view("\0\0\xfe\xff", 4)))
    return "UTF-32";
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) return "UTF-16";
  return nullptr;
}

}  // namespace

std::size_t invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    // Eight bytes of ASCII at a time: a tokenizer's file has tens of megabytes.
    std::uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = utf8_length(text.substr(at, 4));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::size_t line_of(std::string_view text, std::size_t at) {
  std::size_t line = 1;
  for (std::size_t i = 0; i < std::min(at, text.size()); ++i)
    if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')))
      ++line;
  return line;
}

std::optional<TextProblem> text_problem(std::string_view bytes) {
  if (const char* encoding = foreign_encoding(bytes))
    return TextProblem{1, std::string(encoding) + " text, expected UTF-8"};
  const std::size_t bad = invalid_utf8(bytes), zero = bytes.find('\0');
  // UTF-16 without its mark has a zero byte in nearly every second place.
  if (zero < bad)
    return TextProblem{line_of(bytes, zero), "a zero byte; is this a text file, and in UTF-8?"};
  if (bad == std::string_view::npos) return std::nullopt;
  return TextProblem{line_of(bytes, bad), "not UTF-8: the byte 0x" + hex(bytes[bad]) + " (byte " +
                                              std::to_string(bad) + " of the text)"};
}

std::string_view without_mark(std::string_view bytes) {
  if (bytes.starts_with(kUtf8Mark)) bytes.remove_prefix(kUtf8Mark.size());
  return bytes;
}

std::string_view as_text(std::string_view bytes, const std::string& where) {
  if (const auto problem = text_problem(bytes))
    throw Error(HN_DATA_LOSS, where + ":" + std::to_string(problem->line) + ": " + problem->text);
  return without_mark(bytes);
}

std::string read_text(const std::filesystem::path& path, std::size_t max_bytes) {
  std::string bytes = read_whole_file(path, max_bytes);
  bytes.erase(0, bytes.size() - as_text(bytes, path.string()).size());
  return bytes;
}

std::vector<std::string_view> text_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<std::size_t>(text.size(), 1));
  }
  return lines;
}

std::string escaped_bytes(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes.substr(0, 4));
    if (length == 0 || bytes.starts_with("\\x")) {
      out += "\\x" + hex(bytes[0]);
      bytes.remove_prefix(1);
    } else {
      out += bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace hn
