#include "text/html_entities.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <hn/text/unicode.hpp>
#include <iterator>
#include <optional>

namespace hn::text {
namespace {

struct Entity {
  std::string_view name;
  std::string_view text;
};

constexpr Entity kEntities[] = {
#include "text/html_entities_table.inc"
};

// What the standard makes of the numbers 0x80 to 0x9F: Windows-1252, and the C1 control where that
// has nothing.
constexpr std::array<char32_t, 32> kWindows1252 = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

std::optional<std::string_view> find_entity(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kEntities), std::end(kEntities), name,
      [](const Entity& entity, std::string_view wanted) { return entity.name < wanted; });
  if (found == std::end(kEntities) || found->name != name) return std::nullopt;
  return found->text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Control characters and noncharacters that the standard calls errors and Python drops.
bool is_dropped(std::uint32_t n) {
  const bool control =
      (n >= 0x1 && n <= 0x8) || n == 0xB || (n >= 0xE && n <= 0x1F) || (n >= 0x7F && n <= 0x9F);
  return control || (n >= 0xFDD0 && n <= 0xFDEF) || (n & 0xFFFE) == 0xFFFE;
}

void append_number(std::string& result, std::uint32_t n) {
  if (n == 0 || (n >= 0xD800 && n <= 0xDFFF) || n > 0x10FFFF) {
    append_code_point(result, U'\uFFFD');
  } else if (n == 0xD) {
    result += '\r';
  } else if (n >= 0x80 && n <= 0x9F) {
    append_code_point(result, windows1252_character(n));
  } else if (!is_dropped(n)) {
    append_code_point(result, n);
  }
}

// The end of the digits that begin at `at`; their value, stopped above Unicode.
std::size_t read_number(std::string_view text, std::size_t at, bool hex, std::uint32_t& n) {
  n = 0;
  for (; at < text.size() && (hex ? is_hex(text[at]) : is_digit(text[at])); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::uint32_t digit = is_digit(text[at]) ? c - '0' : (c | 0x20U) - 'a' + 10U;
    n = std::min<std::uint32_t>(n * (hex ? 16 : 10) + digit, 0x110000);
  }
  return at;
}

// Handles the number behind "&#"; false where there is none.
bool unescape_number(std::string_view text, std::size_t& at, std::string& result) {
  const bool hex = at + 3 < text.size() && (text[at + 2] | 0x20) == 'x' && is_hex(text[at + 3]);
  const std::size_t begin = at + (hex ? 3 : 2);
  std::uint32_t n = 0;
  std::size_t end = read_number(text, begin, hex, n);
  if (end == begin) return false;
  if (end < text.size() && text[end] == ';') ++end;
  append_number(result, n);
  at = end;
  return true;
}

// The end of "[^\t\n\f <&#;]{1,32};?" from `begin` on.
std::size_t name_end(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  for (int characters = 0;
       characters < 32 && end < text.size() &&
       std::string_view("\t\n\f <&#;").find(text[end]) == std::string_view::npos;
       ++characters) {
    next_code_point(text, end);
  }
  return end > begin && end < text.size() && text[end] == ';' ? end + 1 : end;
}

void unescape_name(std::string_view text, std::size_t& at, std::string& result) {
  const std::size_t end = name_end(text, at + 1);
  const std::string_view name = text.substr(at + 1, end - at - 1);
  // The whole name, else the longest beginning of at least two letters.
  for (std::size_t length = name.size(); length > 1; --length) {
    if (const auto entity = find_entity(name.substr(0, length))) {
      result += *entity;
      result += name.substr(length);
      at = end;
      return;
    }
  }
  result += '&';
  result += name;
  at = end;
}

// "&NAME;" in capitals, where only the small name exists and the capitals mean nothing by
// themselves.
std::optional<std::string> capital_entity(std::string_view reference) {
  std::string small(reference.substr(1));
  for (char& c : small) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  const auto entity = find_entity(small);
  if (!entity || unescape_html(reference) != reference) return std::nullopt;
  return uppercase_text(*entity);
}

std::string unescape_one_cautiously(std::string_view reference) {
  if (reference[1] != '#') {
    if (const auto entity = find_entity(reference.substr(1))) return std::string(*entity);
    return capital_entity(reference).value_or(std::string(reference));
  }
  const std::string unescaped = unescape_html(reference);
  return unescaped.find(';') == std::string::npos ? unescaped : std::string(reference);
}

}  // namespace

char32_t windows1252_character(char32_t c1_control) { return kWindows1252.at(c1_control - 0x80); }

std::string unescape_html(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '&') {
      result += text[at++];
    } else if (at + 1 < text.size() && text[at + 1] == '#') {
      if (!unescape_number(text, at, result)) result += text[at++];
    } else {
      unescape_name(text, at, result);
    }
  }
  return result;
}

std::string unescape_html_cautiously(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      // &#?[0-9A-Za-z]{1,24};
      const std::size_t begin = at + (at + 1 < text.size() && text[at + 1] == '#' ? 2 : 1);
      std::size_t end = begin;
      while (end < text.size() && end - begin < 24 && (is_digit(text[end]) || is_letter(text[end])))
        ++end;
      if (end > begin && end < text.size() && text[end] == ';') {
        result += unescape_one_cautiously(text.substr(at, end + 1 - at));
        at = end + 1;
        continue;
      }
    }
    result += text[at++];
  }
  return result;
}

}  // namespace hn::text
