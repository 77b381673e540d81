#include "grammar.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <optional>
#include <span>
#include <string>

namespace judge {
namespace {

std::string plural_of(std::string_view noun) {
  for (const Plural& p : kIrregularPlurals)
    if (p.noun == noun) return std::string(p.plural);
  return std::string(noun) + "s";
}

template <std::size_t N>
std::optional<int> index_of(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto it = std::find(words.begin(), words.end(), word);
  if (it == words.end()) return std::nullopt;
  return static_cast<int>(it - words.begin());
}

class Parser {
 public:
  explicit Parser(std::string_view prompt) : prompt_(prompt) { split(); }

  Wanted parse() {
    if (words_.empty()) fail("an object", {});
    take_phrase("a photo of");
    Wanted wanted = first_phrase();
    if (wanted.items.size() == 1 && !wanted.any_number) {
      wanted.relation = relation();
      if (wanted.relation >= 0 || take("and")) wanted.items.push_back(singular());
    }
    if (wanted.category != kCounting) wanted.category = category_of(wanted);
    if (next_ < words_.size()) {
      if (!take("on")) fail("the end, \"and\", a relation or \"on a COLOUR background\"", {});
      if (!take("a") && !take("an")) fail("\"a\"", {});
      wanted.background = background();
      if (!take("background")) fail("\"background\"", {"background"});
      if (next_ < words_.size()) fail("the end", {});
    }
    return wanted;
  }

 private:
  void split() {
    std::string word;
    for (const char c : std::string(prompt_) + ' ') {
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        if (!word.empty()) words_.push_back(word);
        word.clear();
      } else {
        word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
    }
    if (!words_.empty() && words_.back().ends_with('.')) {
      words_.back().pop_back();
      if (words_.back().empty()) words_.pop_back();
    }
  }

  bool take(std::string_view word) {
    if (next_ >= words_.size() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  // All words of a phrase, or none of them.
  bool take_phrase(std::string_view phrase) {
    const std::size_t start = next_;
    while (!phrase.empty()) {
      const std::size_t end = std::min(phrase.find(' '), phrase.size());
      if (!take(phrase.substr(0, end))) {
        next_ = start;
        return false;
      }
      phrase.remove_prefix(std::min(end + 1, phrase.size()));
    }
    return true;
  }

  // The phrase before "and", a relation or the background.
  Wanted first_phrase() {
    Wanted wanted;
    for (std::size_t count = 2; count < kNumbers.size(); ++count) {
      if (!take(kNumbers[count])) continue;
      wanted.items.assign(count, noun(/*plural=*/true));
      wanted.category = kCounting;
      return wanted;
    }
    if (next_ < words_.size() && !is_one(words_[next_])) {
      wanted.items = {noun(/*plural=*/true)};
      wanted.any_number = true;
      wanted.category = kCounting;
      return wanted;
    }
    wanted.items = {singular()};
    return wanted;
  }

  static bool is_one(std::string_view word) { return word == "a" || word == "an" || word == "one"; }

  Item singular() {
    if (next_ >= words_.size() || !is_one(words_[next_])) fail("\"a\", \"an\" or \"one\"", {});
    ++next_;
    return noun(/*plural=*/false);
  }

  Item noun(bool plural) {
    Item item;
    std::vector<std::string> known;
    known.reserve(kObjects.size() + kColours.size());
    for (const std::string_view object : kObjects)
      known.push_back(plural ? plural_of(object) : std::string(object));
    if (next_ < words_.size())
      if (const auto colour = index_of(kColours, words_[next_])) {
        item.colour = *colour;
        ++next_;
      }
    const auto it =
        next_ < words_.size() ? std::find(known.begin(), known.end(), words_[next_]) : known.end();
    if (it == known.end()) {
      if (item.colour < 0) known.insert(known.end(), kColours.begin(), kColours.end());
      const std::string what = plural ? "objects (plural)" : "an object";
      fail(item.colour < 0 ? "a colour or " + what : what, known);
    }
    item.object = static_cast<int>(it - known.begin());
    ++next_;
    return item;
  }

  int relation() {
    for (std::size_t r = 0; r < kRelations.size(); ++r)
      if (take_phrase(kRelations[r])) return static_cast<int>(r);
    return -1;
  }

  int background() {
    if (take("grey")) return *index_of(kBackgrounds, "gray");
    const auto colour =
        next_ < words_.size() ? index_of(kBackgrounds, words_[next_]) : std::nullopt;
    if (!colour) fail("a background colour", {kBackgrounds.begin(), kBackgrounds.end()});
    ++next_;
    return *colour;
  }

  static Category category_of(const Wanted& wanted) {
    const bool coloured = std::any_of(wanted.items.begin(), wanted.items.end(),
                                      [](const Item& i) { return i.colour >= 0; });
    if (wanted.items.size() == 1) return coloured ? kColors : kSingle;
    if (coloured) return kAttribution;
    return wanted.relation >= 0 ? kPosition : kTwo;
  }

  [[noreturn]] void fail(const std::string& expected, const std::vector<std::string>& known) const {
    std::string got = "the end";
    std::string hint;
    if (next_ < words_.size()) {
      got = "\"" + words_[next_] + "\"";
      hint = hn::nearest_hint(words_[next_], known);
    }
    throw hn::Error(HN_INVALID_ARGUMENT, "[judge] prompt \"" + std::string(prompt_) +
                                             "\": expected " + expected + " at word " +
                                             std::to_string(next_ + 1) + ", got " + got + hint);
  }

  std::string_view prompt_;
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

}  // namespace

Wanted parse_caption(std::string_view prompt) { return Parser(prompt).parse(); }

}  // namespace judge
