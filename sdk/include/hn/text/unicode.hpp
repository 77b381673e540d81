// Unicode as the tokenizers need it: repair, normal forms, case and character classes, over UTF-8.
// ICU does the work.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hn::text {

// Every ill-formed part becomes one U+FFFD, cut as Python's bytes.decode(errors="replace") and the
// Unicode standard (3.9, "maximal subparts") do.
std::string repair_utf8(std::string_view bytes);

bool is_ascii(std::string_view text);

// The code point at text[at]; moves `at` behind it. `text` must be well-formed.
char32_t next_code_point(std::string_view text, std::size_t& at);
void append_code_point(std::string& text, char32_t code_point);

// The extended grapheme clusters of a well-formed text, in order; views into it.
std::vector<std::string_view> graphemes(std::string_view text);

// Well-formed texts only.
std::u16string to_utf16(std::string_view text);
std::string to_utf8(std::u16string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// Which characters take part. The `tokenizers` library has the tables of Unicode 9 (its crates
// unicode-normalization-alignments and unicode_categories); to it, what came later neither
// composes, decomposes nor reorders. Python goes with ICU's version.
enum class Tables { kUnicode9, kLatest };
std::string normalize(std::string_view text, NormalForm form, Tables tables);

// Letter by letter, as Rust's char::to_lowercase: a capital sigma is always U+03C3.
std::string lowercase_letters(std::string_view text);
// The whole text, as Python's str.lower: a capital sigma at a word's end is U+03C2.
std::string lowercase_text(std::string_view text);
// As Python's str.upper.
std::string uppercase_text(std::string_view text);

bool is_space(char32_t c);            // White_Space: Rust's char::is_whitespace
bool is_python_space(char32_t c);     // str.isspace: White_Space and U+001C..U+001F
bool is_numeric(char32_t c);          // general category N
bool is_decimal_digit(char32_t c);    // general category Nd: \d of Python's re
bool is_punctuation(char32_t c);      // general category P, or ASCII punctuation
bool is_mark(char32_t c);             // general category M, by the tables of Unicode 9
bool is_nonspacing_mark(char32_t c);  // general category Mn
bool is_space_separator(char32_t c);  // general category Zs
bool is_other(char32_t c);  // general category C: control, format, unassigned, private use
// The same by the tables of Unicode 8, which tokenizers has for these (its crate
// unicode_categories); to it, what came later is no character of any kind.
bool is_old_punctuation(char32_t c);
bool is_old_nonspacing_mark(char32_t c);
bool is_old_other(char32_t c);  // general category Cc, Cf or Co
bool is_word(char32_t c);       // \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control

}  // namespace hn::text
