#include "text/byte_level.hpp"

#include <array>
#include <hn/text/unicode.hpp>

namespace hn::text {
namespace {

std::array<std::string, 256> make_table() {
  std::array<std::string, 256> table;
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    append_code_point(table[byte], byte_stands_for_itself(static_cast<std::uint8_t>(byte))
                                       ? static_cast<char32_t>(byte)
                                       : next++);
  }
  return table;
}

}  // namespace

bool byte_stands_for_itself(std::uint8_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

const std::string& byte_character(std::uint8_t byte) {
  static const std::array<std::string, 256> table = make_table();
  return table[byte];
}

std::string to_byte_characters(std::string_view text) {
  std::string result;
  result.reserve(text.size() * 2);
  for (const char c : text) result += byte_character(static_cast<std::uint8_t>(c));
  return result;
}

std::string byte_token(std::uint8_t byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

}  // namespace hn::text
