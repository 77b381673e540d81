// Byte-pair encoding of one word. Source: tokenizers 0.23, models/bpe/{model,word}.rs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hn {

// Everything that makes a byte-pair model; the names are tokenizer.json's.
struct BpeOptions {
  std::vector<std::pair<std::string, std::int32_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // in order of rank
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
  // Words that have an id of their own and are not cut (open_clip's start and end token).
  std::vector<std::pair<std::string, std::int32_t>> whole_words;
};

// One thread at a time: encode() keeps what it has seen.
class BpeModel {
 public:
  // `where` starts the messages. Errors: HN_DATA_LOSS (a merge or unk_token that the vocabulary
  // lacks, a negative id).
  BpeModel(const BpeOptions& options, const std::string& where);

  // Appends the ids of one word. Characters that the vocabulary lacks become bytes, the unknown
  // token, or nothing, as the options say.
  void encode(std::string_view word, std::vector<std::int32_t>& ids);

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::int32_t id_limit() const { return id_limit_; }  // highest id + 1

 private:
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  template <class Value>
  using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;
  };
  struct Symbol {
    std::int32_t id;
    std::int32_t previous;
    std::int32_t next;
    bool alive;
  };

  void split_into_symbols(std::string_view word);
  void append_symbol(std::int32_t id);
  bool append_bytes(std::string_view character);
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void merge_symbols();

  TextMap<std::int32_t> vocab_;
  TextMap<std::int32_t> whole_words_;
  std::unordered_map<std::uint64_t, Merge>
      merges_;  // key: left id in the high half, right id in the low
  std::optional<std::int32_t> unk_id_;
  std::string prefix_;
  std::string suffix_;
  bool fuse_unk_;
  bool byte_fallback_;
  bool ignore_merges_;
  std::int32_t id_limit_ = 0;
  TextMap<std::vector<std::int32_t>> cache_;
  std::vector<Symbol> symbols_;  // of the word at hand
  std::string scratch_;
};

}  // namespace hn
