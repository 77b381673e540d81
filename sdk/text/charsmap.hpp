// SentencePiece's normalisation table: strings and what replaces them, as model files
// ("precompiled_charsmap") and tokenizer.json ("Precompiled") carry it.
//
// Sources: sentencepiece 0.2, normalizer.cc (DecodePrecompiledCharsMap, NormalizePrefix) and the
// double-array trie of darts-clone that it stores; spm_precompiled 0.1 and tokenizers 0.23
// (normalizers/precompiled.rs), which walk the same table in another way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

class Charsmap {
 public:
  struct Match {
    std::size_t length;            // bytes of the text
    std::string_view replacement;  // lives as long as the table
  };

  // `blob`: uint32 bytes of the trie, the trie's uint32 units, then the replacements, each ended by
  // a zero byte; all little-endian. HN_DATA_LOSS where the sizes do not fit; `where` starts the
  // message.
  Charsmap(std::string_view blob, const std::string& where);

  // The longest entry that `text` begins with: sentencepiece's rule.
  std::optional<Match> longest(std::string_view text) const;
  // The shortest one: what tokenizers takes.
  std::optional<Match> shortest(std::string_view text) const;

  // A whole text as tokenizers' Precompiled does it: grapheme by grapheme up to 5 bytes, else
  // character by character; an entry replaces all of what it was looked up for, also where it is
  // shorter. HN_INVALID_ARGUMENT where more than `most` bytes would come of it.
  std::string normalize(std::string_view text, std::size_t most) const;

 private:
  std::optional<Match> find(std::string_view text, bool longest) const;
  std::optional<std::string_view> replacement(std::uint32_t value) const;

  std::string where_;
  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace hn
