#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <hn/cpp/error.hpp>
#include <hn/text/unicode.hpp>
#include <limits>
#include <memory>

namespace hn::text {
namespace {

void check_icu(UErrorCode status, const char* what) {
  if (U_FAILURE(status))
    throw Error(HN_INTERNAL, std::string("[tokenizer] expected ICU to ") + what + ", got " +
                                 u_errorName(status));
}

// ICU counts in int32.
std::int32_t icu_length(std::size_t size) {
  if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 4) {
    throw Error(HN_INVALID_ARGUMENT, "[tokenizer] expected a text below 512 MiB, got " +
                                         std::to_string(size) + " bytes");
  }
  return static_cast<std::int32_t>(size);
}

const UNormalizer2* latest_normalizer(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* instance = nullptr;
  switch (form) {
    case NormalForm::kNfc: instance = unorm2_getNFCInstance(&status); break;
    case NormalForm::kNfd: instance = unorm2_getNFDInstance(&status); break;
    case NormalForm::kNfkc: instance = unorm2_getNFKCInstance(&status); break;
    case NormalForm::kNfkd: instance = unorm2_getNFKDInstance(&status); break;
  }
  check_icu(status, "give a normaliser");
  return instance;
}

// The four normalisers kept to the characters that Unicode 9 had. They live as long as the process,
// as ICU's own do.
std::array<const UNormalizer2*, 4> make_unicode9_normalizers() {
  UErrorCode status = U_ZERO_ERROR;
  USet* characters = uset_openPattern(u"[:age=9.0:]", -1, &status);
  check_icu(status, "list Unicode 9's characters");
  uset_freeze(characters);
  std::array<const UNormalizer2*, 4> normalizers{};
  for (const NormalForm form :
       {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
    normalizers[static_cast<std::size_t>(form)] =
        unorm2_openFiltered(latest_normalizer(form), characters, &status);
  }
  check_icu(status, "give a filtered normaliser");
  return normalizers;
}

const UNormalizer2* find_normalizer(NormalForm form, Tables tables) {
  if (tables == Tables::kLatest) return latest_normalizer(form);
  static const std::array<const UNormalizer2*, 4> unicode9 = make_unicode9_normalizers();
  return unicode9[static_cast<std::size_t>(form)];
}

// Calls an ICU function that wants room for its result, again with more where it was too small.
template <class Call>
std::u16string with_room(std::size_t first_guess, const char* what, Call call) {
  std::u16string result(first_guess, u'\0');
  for (;;) {
    UErrorCode status = U_ZERO_ERROR;
    const std::int32_t length = call(result.data(), icu_length(result.size()), &status);
    if (status != U_BUFFER_OVERFLOW_ERROR) check_icu(status, what);
    const bool fits = static_cast<std::size_t>(length) <= result.size();
    result.resize(static_cast<std::size_t>(length));
    if (fits) return result;
  }
}

template <class Map>
std::string map_letters(std::string_view text, Map map) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) map(next_code_point(text, at), result);
  return result;
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string repair_utf8(std::string_view bytes) {
  if (is_ascii(bytes)) return std::string(bytes);
  std::string result;
  result.reserve(bytes.size());
  const std::int32_t length = icu_length(bytes.size());
  for (std::int32_t at = 0; at < length;) {
    UChar32 c = 0;
    U8_NEXT(bytes.data(), at, length, c);
    append_code_point(result, c < 0 ? U'\uFFFD' : static_cast<char32_t>(c));
  }
  return result;
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  UChar32 c = 0;
  U8_NEXT_UNSAFE(text.data(), at, c);
  return static_cast<char32_t>(c);
}

void append_code_point(std::string& text, char32_t code_point) {
  char bytes[U8_MAX_LENGTH];
  std::size_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, static_cast<UChar32>(code_point));
  text.append(bytes, length);
}

std::vector<std::string_view> graphemes(std::string_view text) {
  std::vector<std::string_view> parts;
  if (is_ascii(text)) {
    // Only a line's end is longer than a byte.
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = text.substr(at).starts_with("\r\n") ? 2 : 1;
      parts.push_back(text.substr(at, size));
      at += size;
    }
    return parts;
  }
  const std::u16string wide = to_utf16(text);
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UBreakIterator, void (*)(UBreakIterator*)> iterator(
      ubrk_open(UBRK_CHARACTER, "", wide.data(), icu_length(wide.size()), &status), ubrk_close);
  check_icu(status, "cut a text into graphemes");
  std::size_t begin = 0, at = 0;
  std::int32_t unit = ubrk_first(iterator.get());
  for (std::int32_t end = ubrk_next(iterator.get()); end != UBRK_DONE;
       end = ubrk_next(iterator.get())) {
    while (unit < end) unit += next_code_point(text, at) > 0xFFFF ? 2 : 1;
    parts.push_back(text.substr(begin, at - begin));
    begin = at;
  }
  return parts;
}

std::u16string to_utf16(std::string_view text) {
  std::u16string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, at));
    if (U_IS_BMP(c)) {
      result += static_cast<char16_t>(c);
    } else {
      result += static_cast<char16_t>(U16_LEAD(c));
      result += static_cast<char16_t>(U16_TRAIL(c));
    }
  }
  return result;
}

std::string to_utf8(std::u16string_view text) {
  std::string result;
  result.reserve(text.size() * 2);
  for (std::size_t at = 0; at < text.size();) {
    UChar32 c = 0;
    U16_NEXT_UNSAFE(text.data(), at, c);
    append_code_point(result, static_cast<char32_t>(c));
  }
  return result;
}

std::string normalize(std::string_view text, NormalForm form, Tables tables) {
  if (is_ascii(text)) return std::string(text);
  const std::u16string wide = to_utf16(text);
  return to_utf8(with_room(wide.size() + 16, "normalise",
                           [&](char16_t* room, std::int32_t size, UErrorCode* status) {
                             return unorm2_normalize(find_normalizer(form, tables), wide.data(),
                                                     icu_length(wide.size()), room, size, status);
                           }));
}

std::string lowercase_letters(std::string_view text) {
  return map_letters(text, [](char32_t c, std::string& result) {
    // The one letter whose lower case is two, whatever stands around it (SpecialCasing.txt).
    if (c == U'\u0130') {
      result += "i\u0307";
    } else {
      append_code_point(result, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    }
  });
}

std::string lowercase_text(std::string_view text) {
  const std::u16string wide = to_utf16(text);
  return to_utf8(with_room(wide.size() + 16, "make lower case",
                           [&](char16_t* room, std::int32_t size, UErrorCode* status) {
                             return u_strToLower(room, size, wide.data(), icu_length(wide.size()),
                                                 "", status);
                           }));
}

std::string uppercase_text(std::string_view text) {
  const std::u16string wide = to_utf16(text);
  return to_utf8(with_room(wide.size() + 16, "make upper case",
                           [&](char16_t* room, std::int32_t size, UErrorCode* status) {
                             return u_strToUpper(room, size, wide.data(), icu_length(wide.size()),
                                                 "", status);
                           }));
}

bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }
bool is_python_space(char32_t c) { return (c >= 0x1C && c <= 0x1F) || is_space(c); }
bool is_numeric(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_N_MASK) != 0; }
bool is_decimal_digit(char32_t c) { return u_isdigit(static_cast<UChar32>(c)) != 0; }
bool is_mark(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  // The three whose category has changed since.
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  UVersionInfo age{};
  u_charAge(code, age);
  return age[0] <= 9 && (U_GET_GC_MASK(code) & U_GC_M_MASK) != 0;
}
bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_P_MASK) != 0;
}
bool is_nonspacing_mark(char32_t c) {
  return u_charType(static_cast<UChar32>(c)) == U_NON_SPACING_MARK;
}
bool is_space_separator(char32_t c) {
  return u_charType(static_cast<UChar32>(c)) == U_SPACE_SEPARATOR;
}
bool is_other(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_C_MASK) != 0; }
bool is_old_punctuation(char32_t c) {
  if (c == 0x166D || c == 0x111C9) return true;  // punctuation then
  UVersionInfo age{};
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= 8 && is_punctuation(c);
}
bool is_old_nonspacing_mark(char32_t c) {
  // The five whose category has changed since.
  if (c == 0x1734) return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  UVersionInfo age{};
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= 8 && is_nonspacing_mark(c);
}
bool is_old_other(char32_t c) {
  UVersionInfo age{};
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= 8 && (U_GET_GC_MASK(static_cast<UChar32>(c)) &
                         (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0;
}
bool is_word(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  return (U_GET_GC_MASK(code) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_isUAlphabetic(code) != 0 || u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0;
}

}  // namespace hn::text
