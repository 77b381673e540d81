// Finding added tokens in a text. Source: tokenizers 0.23, tokenizer/added_vocabulary.rs
// (find_matches; Aho-Corasick leftmost-longest).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <hn/text/tokenizer_parts.hpp>
#include <string_view>
#include <vector>

namespace hn {

class AddedTokenFinder {
 public:
  struct Found {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;  // -1: ordinary text
  };

  // Tokens without content are left out; of two with the same content the first counts.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // In order; an added token may reach over the white space beside it. Empty ordinary parts may be
  // among them.
  std::vector<Found> find(std::string_view text) const;

 private:
  const AddedToken* match_at(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  std::array<std::vector<std::size_t>, 256> by_first_byte_;  // longest first
};

}  // namespace hn
