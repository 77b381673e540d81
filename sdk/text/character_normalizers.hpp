// Normalizers that go through a text character by character: Nmt and BertNormalizer of tokenizers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hn::text {

// Drops control characters and writes a list of white and invisible ones as a space. Source:
// tokenizers 0.23, normalizers/unicode.rs (do_nmt), which is SentencePiece's nmt rule.
std::string nmt(std::string_view text);

// Source: tokenizers 0.23, normalizers/bert.rs; its character tables are those of Unicode 8.
struct BertCleaning {
  bool clean_text = true;             // controls dropped, white space to a space
  bool handle_chinese_chars = true;   // ideographs become words of their own
  std::optional<bool> strip_accents;  // not said: where `lowercase` holds
  bool lowercase = true;
};
std::string bert_clean(std::string_view text, const BertCleaning& options);

}  // namespace hn::text
