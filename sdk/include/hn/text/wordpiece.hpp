// WordPiece: a word cut into the longest pieces that a vocabulary has, from the left.
//
// Source: transformers 4.27 models/bert/tokenization_bert.py, WordpieceTokenizer (greedy, "##" in
// front of every piece but the first, at most 100 characters a word).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hn {

// Everything that makes a WordPiece model.
struct WordPieceOptions {
  std::vector<std::string> tokens;  // in the order of their ids
  std::string unknown = "[UNK]";
  std::string continues = "##";       // in front of every piece but the first
  std::size_t most_characters = 100;  // longer words are unknown
};

// Immutable; any thread may call.
class WordPieceModel {
 public:
  WordPieceModel(const WordPieceOptions& options, const std::string& where);
  // `tokens` in the order of their ids. Errors: HN_DATA_LOSS for an empty list, a token that comes
  // twice, or one without `unknown`; `where` starts the messages.
  WordPieceModel(const std::vector<std::string_view>& tokens, std::string_view unknown,
                 const std::string& where);

  // Appends the pieces of one word, which is well-formed UTF-8; the unknown token alone where no
  // cut covers it or where it is longer than 100 characters.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  // The token as the file has it ("##ing"). HN_INVALID_ARGUMENT for an id outside 0 .. id_limit-1.
  const std::string& token(std::int32_t id) const;
  std::int32_t id_limit() const { return static_cast<std::int32_t>(tokens_.size()); }

 private:
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> ids_;
  std::string continues_;
  std::size_t most_characters_;
  std::int32_t unknown_ = 0;
  std::size_t longest_ = 0;  // bytes of the longest token
};

}  // namespace hn
