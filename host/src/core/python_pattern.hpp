// Python's regular expressions, as far as peft's configurations use them.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace hn::core {

// One expression, matched against a whole text. What Python spells otherwise than this engine is
// translated: (?P<name>...), \A, \Z, {,n}, brackets and braces that stand for themselves.
class PythonPattern {
 public:
  // Errors: std::invalid_argument says what of it cannot be done ("a lookbehind (?<=...)"): inline
  // flags, lookbehinds, back-references, possessive and atomic parts, repetitions above 100,
  // letters outside of ASCII, more than 2000 characters; and what is no expression at all.
  explicit PythonPattern(const std::string& expression);

  bool matches(const std::string& text) const;         // re.fullmatch
  bool matches_end_of(const std::string& path) const;  // peft's get_pattern_key: (.*\.)?(...)$

 private:
  struct Engine;
  // Where there are names alone, with '|' between them ("a.b|c\.d"): the names, one character each.
  std::vector<std::string> names_;
  std::shared_ptr<const Engine> engine_;  // nullptr: names_
};

}  // namespace hn::core
