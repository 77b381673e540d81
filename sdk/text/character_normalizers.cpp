#include "text/character_normalizers.hpp"

#include <hn/text/unicode.hpp>

namespace hn::text {
namespace {

bool nmt_drops(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         c == 0x8F || c == 0x9F;
}

bool nmt_blanks(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

// Upstream's blocks; one of them begins at U+2B920 there, where Unicode's begins at U+2B820.
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

}  // namespace

std::string nmt(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (!nmt_drops(c)) append_code_point(result, nmt_blanks(c) ? U' ' : c);
  }
  return result;
}

std::string bert_clean(std::string_view text, const BertCleaning& options) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = next_code_point(text, at);
    const bool blank = is_space(c) && c != 0x0B && c != 0x0C && c != 0x85;
    if (options.clean_text && (c == 0 || c == 0xFFFD || (!blank && is_old_other(c)))) continue;
    if (options.clean_text && blank) c = U' ';
    const bool apart = options.handle_chinese_chars && is_ideograph(c);
    if (apart) result += ' ';
    append_code_point(result, c);
    if (apart) result += ' ';
  }
  if (options.strip_accents.value_or(options.lowercase)) {
    const std::string decomposed = normalize(result, NormalForm::kNfd, Tables::kUnicode9);
    result.clear();
    for (std::size_t at = 0; at < decomposed.size();) {
      const char32_t c = next_code_point(decomposed, at);
      if (!is_old_nonspacing_mark(c)) append_code_point(result, c);
    }
  }
  return options.lowercase ? lowercase_letters(result) : result;
}

}  // namespace hn::text
