// Prompts to the ids that a BERT encoder reads: transformers' BertTokenizer over a vocab.txt.
//
// Source: transformers 4.27.4 models/bert/tokenization_bert.py (BasicTokenizer, WordpieceTokenizer)
// and tokenization_utils.py (special tokens in the text). Steps: special tokens are found as they
// stand; the rest is lower-cased letter by letter, and added tokens that are not special are found
// in it; NUL, U+FFFD and category C characters but tab, line feed and carriage return are dropped;
// CJK ideographs become words of their own; cut at white space; NFD without Mn characters; every
// punctuation character is a word; WordPiece. The files beside the vocabulary (side_files.hpp)
// change that by do_lower_case, strip_accents, tokenize_chinese_chars and do_basic_tokenize.
// Characters newer than the reference's Unicode (14, Python 3.11) go by ICU's tables.
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/text/added_tokens.hpp>
#include <hn/text/wordpiece.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hn {

struct SideFiles;

// What one text becomes.
struct BertTokens {
  std::vector<std::int32_t> ids;  // [CLS], text, [SEP]; cut, not padded
  std::size_t full_length = 0;    // of ids had nothing been cut
};

// Immutable; any thread may call.
class BertTokenizer {
 public:
  // `vocabulary`: one token a line, plain or gzip; the line's number from 0 is the id. The files
  // beside it are read too. `added` tokens get the ids behind all others, as add_special_tokens
  // gives them; one that the file has keeps its id. Errors: those of read_side_files;
  // HN_NOT_FOUND, HN_DATA_LOSS (a token twice; [UNK], [CLS], [SEP] or [PAD], or what the side files
  // name instead, missing); the text names the file.
  BertTokenizer(const std::filesystem::path& vocabulary, const std::vector<std::string>& added);

  // At most `max_length` ids, the last of which is [SEP]; `text` is UTF-8, bytes that are not are
  // dropped. Errors: HN_INVALID_ARGUMENT for max_length < 2.
  BertTokens encode(std::string_view text, std::size_t max_length) const;
  // The text's ids alone: no [CLS], no [SEP], not cut.
  std::vector<std::int32_t> encode_text(std::string_view text) const;

  std::int32_t pad_id() const { return pad_; }
  std::int32_t id_limit() const { return id_limit_; }  // highest id + 1

 private:
  struct Cleaning {
    bool basic = true;  // do_basic_tokenize
    bool lower_case = true;
    bool strip_accents = true;
    bool apart_ideographs = true;
  };
  BertTokenizer(const std::filesystem::path& vocabulary, const std::vector<std::string>& added,
                const SideFiles& side);
  BertTokenizer(TokenizerParts parts, const std::filesystem::path& vocabulary,
                const std::vector<std::string>& added, const SideFiles& side);
  void encode_part(std::string_view text, std::vector<std::int32_t>& ids) const;

  WordPieceModel words_;
  Cleaning cleaning_;
  AddedTokenFinder special_{{}};
  AddedTokenFinder ordinary_{{}};  // added tokens that are found in the lower-cased text
  std::int32_t start_ = 0, end_ = 0, pad_ = 0, id_limit_ = 0;
};

}  // namespace hn
