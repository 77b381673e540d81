#include <algorithm>
#include <hn/text/added_tokens.hpp>
#include <hn/text/unicode.hpp>
#include <utility>

namespace hn {
namespace {

// The last code point before `end`.
char32_t code_point_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text::next_code_point(text, at);
}

bool word_ends_at(std::string_view text, std::size_t at) {
  return at > 0 && text::is_word(code_point_before(text, at));
}

bool word_begins_at(std::string_view text, std::size_t at) {
  return at < text.size() && text::is_word(text::next_code_point(text, at));
}

std::size_t space_before(std::string_view text, std::size_t at) {
  while (at > 0) {
    const char32_t c = code_point_before(text, at);
    if (!text::is_space(c)) break;
    std::string bytes;
    text::append_code_point(bytes, c);
    at -= bytes.size();
  }
  return at;
}

std::size_t space_behind(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    if (!text::is_space(text::next_code_point(text, next))) break;
    at = next;
  }
  return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!tokens_[i].content.empty())
      by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])].push_back(i);
  }
  for (std::vector<std::size_t>& list : by_first_byte_) {
    std::stable_sort(list.begin(), list.end(), [&](std::size_t a, std::size_t b) {
      return tokens_[a].content.size() > tokens_[b].content.size();
    });
  }
}

const AddedToken* AddedTokenFinder::match_at(std::string_view text, std::size_t at) const {
  for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

std::vector<AddedTokenFinder::Found> AddedTokenFinder::find(std::string_view text) const {
  std::vector<Found> found;
  std::size_t covered = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->single_word && (word_ends_at(text, begin) || word_begins_at(text, end))) continue;
    // White space that the token before has taken stays with it.
    if (token->lstrip) begin = std::max(space_before(text, begin), covered);
    if (token->rstrip) end = space_behind(text, end);
    if (covered < begin) found.push_back({covered, begin, -1});
    found.push_back({begin, end, token->id});
    covered = end;
  }
  if (covered < text.size()) found.push_back({covered, text.size(), -1});
  return found;
}

}  // namespace hn
