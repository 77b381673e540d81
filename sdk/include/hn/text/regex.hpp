// Cutting a text by a pattern: what the references do with Oniguruma and Rust's Pattern trait.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hn::text {

// A part of a text, in bytes. The parts of one cut follow one another and cover the whole text; a
// match may be empty.
struct Part {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

// A compiled regular expression. One thread at a time.
//
// Patterns are written for Oniguruma's Ruby syntax and run by ICU. Compiled so that both agree: ^
// and $ at every line, "." without line feed, \s = White_Space, \p{..} by Unicode. What is spelled
// alike and means something else (\h, (?m), ...) is refused.
class Regex {
 public:
  // `where` starts the message. Errors: HN_UNSUPPORTED names the pattern and what ICU says about
  // it.
  Regex(std::string_view pattern, const std::string& where);

  // Non-overlapping matches from the left and what lies between them. `text` is well-formed UTF-8.
  // Errors: HN_INVALID_ARGUMENT where the pattern needs too many steps on this text.
  std::vector<Part> cut(std::string_view text) const;

 private:
  struct Handle;
  std::shared_ptr<Handle> handle_;
};

// The same for a literal; an empty literal matches nothing.
std::vector<Part> cut_by_literal(std::string_view text, std::string_view literal);
// The same with every character that `matches` accepts as a match of its own.
std::vector<Part> cut_by_character(std::string_view text,
                                   const std::function<bool(char32_t)>& matches);

}  // namespace hn::text
