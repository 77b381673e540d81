#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/text/unicode.hpp>
#include <hn/text/wordpiece.hpp>

namespace hn {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

WordPieceModel::WordPieceModel(const std::vector<std::string_view>& tokens,
                               std::string_view unknown, const std::string& where)
    : WordPieceModel(WordPieceOptions{.tokens = {tokens.begin(), tokens.end()},
                                      .unknown = std::string(unknown)},
                     where) {}

WordPieceModel::WordPieceModel(const WordPieceOptions& options, const std::string& where)
    : continues_(options.continues), most_characters_(options.most_characters) {
  const std::vector<std::string>& tokens = options.tokens;
  if (tokens.empty() || tokens.size() >= INT32_MAX)
    throw Error(HN_DATA_LOSS,
                where + ": expected one token a line, got " + std::to_string(tokens.size()));
  ids_.reserve(tokens.size());
  tokens_.reserve(tokens.size());
  for (const std::string& token : tokens) {
    const auto [at, fresh] = ids_.emplace(token, static_cast<std::int32_t>(tokens_.size()));
    if (!fresh)
      throw Error(HN_DATA_LOSS, where + ": expected every token once, got \"" +
                                    text::repair_utf8(token) + "\" in lines " +
                                    std::to_string(at->second + 1) + " and " +
                                    std::to_string(tokens_.size() + 1));
    tokens_.emplace_back(token);
    longest_ = std::max(longest_, token.size());
  }
  const auto id = token_to_id(options.unknown);
  if (!id)
    throw Error(HN_DATA_LOSS, where + ": expected the token " + options.unknown +
                                  ", got a vocabulary without it");
  unknown_ = *id;
}

void WordPieceModel::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (static_cast<std::size_t>(std::count_if(word.begin(), word.end(), begins_character)) >
      most_characters_) {
    ids.push_back(unknown_);
    return;
  }
  const std::size_t first = ids.size();
  std::string piece;
  for (std::size_t begin = 0; begin < word.size();) {
    piece = begin == 0 ? "" : continues_;
    const std::size_t prefix = piece.size();
    piece += word.substr(begin, longest_);
    // From the longest candidate down; one that ends within a character is in no vocabulary of
    // well-formed text, so those need no care of their own.
    std::optional<std::int32_t> id;
    while (piece.size() > prefix && !(id = token_to_id(piece))) piece.pop_back();
    if (!id) {
      ids.resize(first);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(*id);
    begin += piece.size() - prefix;
  }
}

std::optional<std::int32_t> WordPieceModel::token_to_id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int32_t>(found->second);
}

const std::string& WordPieceModel::token(std::int32_t id) const {
  if (id < 0 || id >= id_limit())
    throw Error(HN_INVALID_ARGUMENT, "[wordpiece] expected an id from 0 to " +
                                         std::to_string(id_limit() - 1) + ", got " +
                                         std::to_string(id));
  return tokens_[static_cast<std::size_t>(id)];
}

}  // namespace hn
