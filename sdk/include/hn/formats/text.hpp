// Bytes that are to be text: prompts, captions, tables, configurations, JSON.
#pragma once

#include <cstddef>
#include <filesystem>
#include <hn/formats/input_file.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// The first byte that is no UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above
// U+10FFFF), counted from 0; std::string_view::npos where there is none.
std::size_t invalid_utf8(std::string_view text);

// The line, from 1, that byte `at` stands in. "\n", "\r\n" and a lone "\r" (old Macs) end lines.
std::size_t line_of(std::string_view text, std::size_t at);

// What keeps bytes from being text: UTF-16 or UTF-32 (told by their byte order marks), a byte that
// is no UTF-8, a zero byte.
struct TextProblem {
  std::size_t line = 0;  // from 1
  std::string text;      // "UTF-16 text, expected UTF-8"
};
std::optional<TextProblem> text_problem(std::string_view bytes);

// `bytes` without UTF-8's byte order mark.
std::string_view without_mark(std::string_view bytes);

// without_mark of what text_problem finds good; nothing is normalised.
// Errors: HN_DATA_LOSS "WHERE:LINE: PROBLEM".
std::string_view as_text(std::string_view bytes, const std::string& where);

// read_whole_file, then as_text with the path.
std::string read_text(const std::filesystem::path& path, std::size_t max_bytes = kMaxFileBytes);

// The lines without their ends ("\n", "\r\n" or a lone "\r", as Python's text files have them); no
// empty one behind the last end.
std::vector<std::string_view> text_lines(std::string_view text);

// Bytes as text that can be shown and read back: what is no UTF-8 becomes "\xHH", and so does the
// backslash of a "\x" that stands there already, so that two names never become one. What is UTF-8
// without "\x" stays as it is.
std::string escaped_bytes(std::string_view bytes);

}  // namespace hn
