#include <array>
#include <hn/text/open_clip_text.hpp>
#include <hn/text/unicode.hpp>
#include <utility>

#include "text/html_entities.hpp"

namespace hn::text {
namespace {

// ftfy chardata.py, LIGATURES.
constexpr std::array<std::pair<char32_t, std::string_view>, 20> kLigatures = {{
    {U'\u0132', "IJ"},      {U'\u0133', "ij"}, {U'\u0149', "\u02BCn"}, {U'\u01F1', "DZ"},
    {U'\u01F2', "Dz"},      {U'\u01F3', "dz"}, {U'\u01C4', "D\u017D"}, {U'\u01C5', "D\u017E"},
    {U'\u01C6', "d\u017E"}, {U'\u01C7', "LJ"}, {U'\u01C8', "Lj"},      {U'\u01C9', "lj"},
    {U'\u01CA', "NJ"},      {U'\u01CB', "Nj"}, {U'\u01CC', "nj"},      {U'\uFB00', "ff"},
    {U'\uFB01', "fi"},      {U'\uFB02', "fl"}, {U'\uFB03', "ffi"},     {U'\uFB04', "ffl"},
}};

// chardata.py, CONTROL_CHARS.
bool is_removed_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

void append_with_standard_width(std::string& result, char32_t c) {
  std::string one;
  append_code_point(one, c);
  result += normalize(one, NormalForm::kNfkc, Tables::kLatest);
}

// fix_latin_ligatures and what is left of one character by the steps behind it that look at single
// characters: fix_character_width, uncurl_quotes, fix_line_breaks.
void append_fixed_character(std::string& result, char32_t c) {
  if (c >= 0x80 && c <= 0x9F) c = windows1252_character(c);
  for (const auto& [ligature, letters] : kLigatures) {
    if (c == ligature) {
      // U+02BC is a single quote to uncurl_quotes.
      result += ligature == U'\u0149' ? std::string_view("'n") : letters;
      return;
    }
  }
  if (c == U'\uFB05') {
    result += "\u017Ft";
  } else if (c == U'\uFB06') {
    result += "st";
  } else if (c == U'\u3000') {
    result += ' ';
  } else if (c >= 0xFF01 && c <= 0xFFEF) {
    append_with_standard_width(result, c);
  } else if (c == U'\u02BC' || (c >= 0x2018 && c <= 0x201B)) {
    result += '\'';
  } else if (c >= 0x201C && c <= 0x201F) {
    result += '"';
  } else if (c == U'\u2028' || c == U'\u2029') {
    result += '\n';
  } else {
    append_code_point(result, c);
  }
}

std::string fix_characters(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();)
    append_fixed_character(result, next_code_point(text, at));
  return result;
}

std::string fix_line_breaks(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\r') {
      result += text[at];
    } else if (at + 1 == text.size() || text[at + 1] != '\n') {
      result += '\n';
    }
  }
  return result;
}

// The end of "\033\[[\d;]*[a-zA-Z]" at `at`, or `at`.
std::size_t terminal_escape_end(std::string_view text, std::size_t at) {
  std::size_t end = at + 2;
  if (!text.substr(at).starts_with("\x1B[")) return at;
  while (end < text.size()) {
    std::size_t next = end;
    const char32_t c = next_code_point(text, next);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return next;
    if (c != ';' && !is_decimal_digit(c)) return at;
    end = next;
  }
  return at;
}

std::string remove_controls(std::string_view text) {
  std::string without_escapes;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = terminal_escape_end(text, at);
    if (end == at) {
      without_escapes += text[at++];
    } else {
      at = end;
    }
  }
  std::string result;
  for (std::size_t at = 0; at < without_escapes.size();) {
    const char32_t c = next_code_point(without_escapes, at);
    if (!is_removed_control(c)) append_code_point(result, c);
  }
  return result;
}

std::string fix_line(std::string line, bool html) {
  for (;;) {
    std::string fixed = html ? unescape_html_cautiously(line) : line;
    fixed = normalize(remove_controls(fix_line_breaks(fix_characters(fixed))), NormalForm::kNfc,
                      Tables::kLatest);
    if (fixed == line) return fixed;
    line = std::move(fixed);
  }
}

std::string fix_text(std::string_view text) {
  std::string result;
  bool html =
      true;  // from the first "<" on, the text is taken for real HTML, whose references stay
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_feed = text.find('\n', at);
    const std::size_t end = line_feed == std::string_view::npos ? text.size() : line_feed + 1;
    const std::string_view line = text.substr(at, end - at);
    if (line.find('<') != std::string_view::npos) html = false;
    result += fix_line(std::string(line), html);
    at = end;
  }
  return result;
}

// " ".join(text.split())
std::string join_words(std::string_view text) {
  std::string result;
  bool gap = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (is_python_space(c)) {
      gap = !result.empty();
      continue;
    }
    if (gap) result += ' ';
    gap = false;
    append_code_point(result, c);
  }
  return result;
}

}  // namespace

std::string clean_for_open_clip(std::string_view text) {
  return lowercase_text(join_words(unescape_html(unescape_html(fix_text(text)))));
}

}  // namespace hn::text
