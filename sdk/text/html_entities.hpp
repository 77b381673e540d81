// HTML character references to text, as Python's html.unescape and ftfy's cautious variant of it
// do.
#pragma once

#include <string>
#include <string_view>

namespace hn::text {

// Source: CPython 3.11 Lib/html/__init__.py (unescape): also without semicolon, also the longest
// known beginning of a name. It follows the HTML standard; invalid numbers become U+FFFD or
// nothing. `text` is well-formed UTF-8.
std::string unescape_html(std::string_view text);

// Source: ftfy 6.3 fixes.py (unescape_html): only what ends in a semicolon and has at most 24
// letters or digits; and names in capitals
// ("&EACUTE;") where the standard has only the small ones.
std::string unescape_html_cautiously(std::string_view text);

// The Windows-1252 character of a C1 control (U+0080 to U+009F), which is what the web reads it as;
// itself where there is none.
char32_t windows1252_character(char32_t c1_control);

}  // namespace hn::text
