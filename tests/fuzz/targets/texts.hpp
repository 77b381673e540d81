// Texts for tokenizers, and what every answer has to keep.
#pragma once

#include <array>
#include <cstdint>
#include <hn/text/tokenizer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace hn::fuzz {

inline constexpr std::array<std::string_view, 4> kTexts = {
    "", "A photo of 3 red cats, naïve 写真 </s> <pad>[CLS] 🎈",
    "  don't\t<|endoftext|>\r\n\xff\xe2 x",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

inline void require_ids(const std::vector<std::int32_t>& ids, std::int32_t limit) {
  for (const std::int32_t id : ids)
    require(id >= 0 && id < limit,
            "the id " + std::to_string(id) + " of a vocabulary of " + std::to_string(limit));
}

// The ids of a text of one's own, and of all texts.
inline void encode_all(const Tokenizer& tokenizer, std::string_view own) {
  const auto encode = [&](std::string_view text) {
    read([&] {
      for (const bool special : {true, false})
        require_ids(tokenizer.encode(text, special), tokenizer.id_limit());
      require(tokenizer.encode(text) == tokenizer.encode(text), "the same text, other ids");
    });
  };
  encode(own);
  for (const std::string_view text : kTexts) encode(text);
}

}  // namespace hn::fuzz
