// The text cleaning in front of OpenCLIP's tokenizer.
#pragma once

#include <string>
#include <string_view>

namespace hn::text {

// ftfy-like repair, HTML unescaped twice, white space runs to one space and trimmed, lower case.
// `text` is well-formed UTF-8.
//
// Source: open_clip 3.3 tokenizer.py (_clean_lower) with ftfy 6.3 fix_text. Of ftfy all steps line
// by line until nothing changes: HTML, C1 controls, Latin ligatures, character width, quotes, line
// breaks, terminal escapes, control characters, NFC. Deliberate difference: fix_encoding (mojibake)
// is left out; it is a heuristic with thousands of characters of tables.
std::string clean_for_open_clip(std::string_view text);

}  // namespace hn::text
