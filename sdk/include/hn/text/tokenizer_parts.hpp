// The parts a tokenizer is made of, for the code that builds one: tokenizer_json.cpp and
// sentencepiece.cpp from files, clip_tokenizer.cpp by hand.
#pragma once

#include <cstdint>
#include <functional>
#include <hn/text/bpe.hpp>
#include <hn/text/regex.hpp>
#include <hn/text/unigram.hpp>
#include <hn/text/wordpiece.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hn {

// A part of the text on its way to the model.
struct Piece {
  std::string text;
  // It begins where the input begins, and nothing was taken away there (Metaspace's prepend_scheme
  // "first").
  bool at_start;
};

// Rewrites a piece.
using Normalizer = std::function<Piece(Piece)>;
// Cuts pieces further; may also rewrite their text. Empty pieces are dropped by the caller.
using PreTokenizer = std::function<std::vector<Piece>(Piece)>;

// What a part may make of a text or of ids: a file from elsewhere may hold parts that double what
// they get, one behind the other. Published ones stay below a tenth of it.
constexpr std::size_t most_bytes(std::size_t bytes) { return (std::size_t{4} << 20) + 64 * bytes; }
constexpr std::size_t most_ids(std::size_t ids) { return (std::size_t{1} << 20) + 16 * ids; }
// Normalisers, pre-tokenizers or post-processors in one file, those in sequences counted singly.
inline constexpr std::size_t kMostParts = 256;
[[noreturn]] void refuse_growth(const std::string& where, std::size_t most, const char* unit);

// Ids of the text to ids with the special tokens.
using PostProcessor = std::function<std::vector<std::int32_t>(std::vector<std::int32_t>)>;

// A token that is found in the text before anything else happens to it.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  // only between characters that are not of a word
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;
  bool normalized = false;  // looked for after normalisation, itself normalised
  bool special = false;     // a text may be read without these (TokenizerParts::split_special)
};

struct TokenizerParts {
  std::string where;  // starts the messages: "[tokenizer] /path/tokenizer.json"
  BpeOptions bpe;
  std::optional<UnigramOptions> unigram;       // given: the model, instead of bpe
  std::optional<WordPieceOptions> word_piece;  // given: the model, instead of bpe
  std::vector<AddedToken> added_tokens;
  Normalizer normalizer;         // empty: none
  PreTokenizer pre_tokenizer;    // empty: none
  PostProcessor post_processor;  // empty: none
  bool split_special = false;    // special tokens in a text are ordinary text
  // Added tokens are looked for before normalisation even where they say otherwise.
  bool tokens_as_they_stand = false;
};

// Ids of the vocabulary, without the added tokens; the views live as long as `parts` stays as it
// is.
std::unordered_map<std::string_view, std::int32_t> vocabulary_ids(const TokenizerParts& parts);

// What happens to the matches of a pattern and to what lies between; names and meaning as in
// tokenizers (SplitDelimiterBehavior).
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
// The pieces of `piece` that remain; `parts` covers its text. With `invert` matches and gaps change
// roles.
std::vector<Piece> split_piece(const Piece& piece, const std::vector<text::Part>& parts,
                               SplitBehavior behavior, bool invert = false);

// Readers of tokenizer.json's parts. `where` names the file and the key. Errors: HN_DATA_LOSS, and
// HN_UNSUPPORTED for an unknown type.
Normalizer read_normalizer(const nlohmann::json& json, const std::string& where);
PreTokenizer read_pre_tokenizer(const nlohmann::json& json, const std::string& where);
PostProcessor read_post_processor(const nlohmann::json& json, const std::string& where);
TokenizerParts read_tokenizer_parts(const nlohmann::json& json, const std::string& where);
// A pattern as {"String": s} or {"Regex": r}: the function that cuts a text by it.
std::function<std::vector<text::Part>(std::string_view)> read_pattern(const nlohmann::json& json,
                                                                      const std::string& where);
[[noreturn]] void refuse_type(const std::string& where, const std::string& type, const char* known);

}  // namespace hn
