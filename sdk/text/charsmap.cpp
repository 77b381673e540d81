#include "text/charsmap.hpp"

#include <hn/cpp/error.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <hn/text/unicode.hpp>

namespace hn {
namespace {

// Graphemes from this size on are looked up character by character.
constexpr std::size_t kLongGrapheme = 6;

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The fields of a unit of darts-clone's double array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & (1U << 9)) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& where) : where_(where) {
  const std::size_t trie_bytes = blob.size() < 4 ? 0 : read_u32(blob, 0);
  if (blob.size() < 4 || trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4)
    throw Error(HN_DATA_LOSS, where +
                                  ": expected the size of a trie, the trie and replacements, got " +
                                  std::to_string(blob.size()) + " bytes with a size of " +
                                  std::to_string(trie_bytes));
  trie_.reserve(trie_bytes / 4);
  for (std::size_t at = 4; at < 4 + trie_bytes; at += 4) trie_.push_back(read_u32(blob, at));
  replacements_ = blob.substr(4 + trie_bytes);
}

std::optional<std::string_view> Charsmap::replacement(std::uint32_t value) const {
  if (value >= replacements_.size()) return std::nullopt;
  const std::string_view rest = std::string_view(replacements_).substr(value);
  return rest.substr(0, rest.find('\0'));
}

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Match> match;
  std::size_t at = offset_of(trie_[0]);
  for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    // A damaged trie may point anywhere.
    if (at >= trie_.size() || label_of(trie_[at]) != byte) break;
    const std::uint32_t unit = trie_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (at >= trie_.size()) break;
    if (const auto found = replacement(value_of(trie_[at]))) {
      match = {i + 1, *found};
      if (!longest) break;
    }
  }
  return match;
}

std::optional<Charsmap::Match> Charsmap::longest(std::string_view text) const {
  return find(text, true);
}

std::optional<Charsmap::Match> Charsmap::shortest(std::string_view text) const {
  return find(text, false);
}

std::string Charsmap::normalize(std::string_view text, std::size_t most) const {
  std::string result;
  result.reserve(text.size());
  const auto add = [&](std::string_view part) {
    const auto match = shortest(part);
    if (match) result += match->replacement;
    if (result.size() > most) refuse_growth(where_, most, "bytes");
    return match.has_value();
  };
  for (const std::string_view grapheme : text::graphemes(text)) {
    if (grapheme.size() < kLongGrapheme && add(grapheme)) continue;
    for (std::size_t at = 0; at < grapheme.size();) {
      const std::size_t begin = at;
      text::next_code_point(grapheme, at);
      const std::string_view character = grapheme.substr(begin, at - begin);
      if (!add(character)) result += character;
    }
  }
  return result;
}

}  // namespace hn
