#include "core/python_pattern.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string_view>

namespace hn::core {
namespace {

constexpr std::size_t kMaxLength = 2000;
constexpr int kMaxRepetition = 100;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Writes the expression in ECMAScript's spelling, without groups that capture.
class Translator {
 public:
  explicit Translator(const std::string& from) : from_(from) {}

  std::string run() {
    while (at_ < from_.size()) step();
    return std::move(to_);
  }

 private:
  bool next_is(std::string_view text) const { return from_.compare(at_, text.size(), text) == 0; }

  void step() {
    const char c = from_[at_];
    if (c == '\\') return escape(false);
    if (c == '[') return bracket();
    if (c == '(') return group();
    if (c == '{') return brace();
    if (c == '*' || c == '+' || c == '?') return repeat(std::string(1, c), at_ + 1);
    ++at_;
    if (c == ']' || c == '}') to_ += '\\';
    to_ += c;
  }

  // What follows a quantifier: lazy changes nothing of whether there is a match.
  void repeat(const std::string& quantifier, std::size_t behind) {
    to_ += quantifier;
    at_ = behind;
    if (at_ >= from_.size()) return;
    if (from_[at_] == '+') refuse("a possessive quantifier such as a*+");
    if (from_[at_] == '?') ++at_;
  }

  // {m}, {m,}, {,n}, {m,n}; anything else stands for itself, as in Python.
  void brace() {
    std::size_t i = at_ + 1;
    std::string low, high;
    while (i < from_.size() && is_digit(from_[i])) low += from_[i++];
    const bool comma = i < from_.size() && from_[i] == ',';
    if (comma) ++i;
    while (comma && i < from_.size() && is_digit(from_[i])) high += from_[i++];
    if (i >= from_.size() || from_[i] != '}' || (low.empty() && high.empty())) {
      to_ += "\\{";
      ++at_;
      return;
    }
    for (const std::string& number : {low, high})
      if (number.size() > 3 || (!number.empty() && std::stoi(number) > kMaxRepetition))
        refuse("a repetition above " + std::to_string(kMaxRepetition));
    std::string quantifier(1, '{');
    quantifier.append(low.empty() ? "0" : low).append(comma ? "," : "").append(high).append("}");
    repeat(quantifier, i + 1);
  }

  void group() {
    if (!next_is("(?")) {
      to_ += "(?:";
      ++at_;
      return;
    }
    for (const char* same : {"(?:", "(?=", "(?!"})
      if (next_is(same)) {
        to_ += same;
        at_ += 3;
        return;
      }
    if (next_is("(?P<")) {
      const std::size_t end = from_.find('>', at_);
      if (end == std::string::npos) refuse("no regular expression: a group's name without an end");
      to_ += "(?:";
      at_ = end + 1;
      return;
    }
    if (next_is("(?<=") || next_is("(?<!")) refuse("a lookbehind such as (?<=a)");
    if (next_is("(?P=")) refuse("a back-reference such as (?P=name)");
    if (next_is("(?>")) refuse("an atomic group such as (?>a)");
    if (next_is("(?#")) refuse("a comment such as (?#...)");
    if (next_is("(?(")) refuse("a condition such as (?(1)a|b)");
    refuse("inline flags such as (?i)");
  }

  void escape(bool in_bracket) {
    if (at_ + 1 >= from_.size()) refuse("no regular expression: a backslash at its end");
    const char c = from_[at_ + 1];
    at_ += 2;
    if (!is_word(c)) {
      to_ += '\\';
      to_ += c;
    } else if (std::string_view("dDwWsSntrfv").find(c) != std::string_view::npos ||
               (!in_bracket && (c == 'b' || c == 'B'))) {
      to_ += '\\';
      to_ += c;
    } else if (!in_bracket && c == 'A') {
      to_ += '^';
    } else if (!in_bracket && (c == 'Z' || c == 'z')) {
      to_ += '$';
    } else if (is_digit(c)) {
      refuse(std::string("a back-reference or an octal number: \\") + c);
    } else if (c == '_') {
      to_ += c;
    } else {
      refuse(std::string("the escape \\") + c);
    }
  }

  void bracket() {
    to_ += from_[at_++];
    if (at_ < from_.size() && from_[at_] == '^') to_ += from_[at_++];
    for (bool first = true;; first = false) {
      if (at_ >= from_.size()) refuse("no regular expression: a [ without its ]");
      const char c = from_[at_];
      if (c == ']' && !first) break;
      if (c == '\\') {
        escape(true);
        continue;
      }
      const bool between = c == '-' && !first && at_ + 1 < from_.size() && from_[at_ + 1] != ']';
      if (!is_word(c) && !between) to_ += '\\';
      to_ += c;
      ++at_;
    }
    to_ += from_[at_++];
  }

  const std::string& from_;
  std::string to_;
  std::size_t at_ = 0;
};

// The automaton that goes through all ways at once: its time does not explode.
constexpr auto kSyntax = std::regex::ECMAScript
#ifdef __GLIBCXX__
                         | std::regex_constants::__polynomial
#endif
    ;

// In names: a point that stands for itself. '.' stands for any character.
constexpr char kPoint = '\n';

std::optional<std::vector<std::string>> as_names(const std::string& expression) {
  std::vector<std::string> names(1);
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (is_word(c) || c == '.' || c == '-') {
      names.back() += c;
    } else if (c == '|') {
      names.emplace_back();
    } else if (c == '\\' && i + 1 < expression.size() && expression[i + 1] == '.') {
      names.back() += kPoint;
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return names;
}

bool is_named(std::string_view name, std::string_view text) {
  return std::equal(name.begin(), name.end(), text.begin(), text.end(),
                    [](char n, char t) { return n == '.' || n == t || (n == kPoint && t == '.'); });
}

}  // namespace

struct PythonPattern::Engine {
  std::regex whole, end;
};

PythonPattern::PythonPattern(const std::string& expression) {
  if (auto names = as_names(expression)) {
    names_ = std::move(*names);
    return;
  }
  if (expression.size() > kMaxLength)
    refuse("more than " + std::to_string(kMaxLength) + " characters");
  for (const char c : expression)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
      refuse("a character outside of printable ASCII");
  const std::string translated = Translator(expression).run();
  try {
    engine_ = std::make_shared<const Engine>(
        Engine{std::regex("(?:" + translated + ")", kSyntax),
               std::regex("(?:.*\\.)?(?:" + translated + ")", kSyntax)});
  } catch (const std::regex_error& error) {
    refuse(std::string("no regular expression: ") + error.what());
  }
}

bool PythonPattern::matches(const std::string& text) const {
  if (engine_) return std::regex_match(text, engine_->whole);
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& name) { return is_named(name, text); });
}

bool PythonPattern::matches_end_of(const std::string& path) const {
  if (engine_) return std::regex_match(path, engine_->end);
  return std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
    if (path.size() < name.size()) return false;
    const std::size_t begin = path.size() - name.size();
    return (begin == 0 || path[begin - 1] == '.') &&
           is_named(name, std::string_view(path).substr(begin));
  });
}

}  // namespace hn::core
