#include "tokenizers/bert_tokenizer.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "tokenizers/text_file.hpp"
#include "tokenizers/unicode.hpp"

namespace hn {
namespace {

constexpr const char* kUnknown = "[UNK]";
constexpr const char* kStart = "[CLS]";
constexpr const char* kEnd = "[SEP]";
constexpr const char* kPad = "[PAD]";
constexpr const char* kMask = "[MASK]";  // a special token where the vocabulary has it

std::string where_of(const std::filesystem::path& file) {
  return "[bert_tokenizer] " + file.string();
}

WordPieceModel read_words(const std::filesystem::path& file) {
  const std::string text = read_text_file(file, where_of(file));
  return {lines_of(text), kUnknown, where_of(file)};
}

// The blocks that upstream counts as Chinese; later extensions are not among them.
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// _clean_text and _tokenize_chinese_chars in one pass.
std::string clean(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c == U'\t' || c == U'\n' || c == U'\r' || text::is_space_separator(c)) {
      result += ' ';
    } else if (c == 0 || c == U'\uFFFD' || text::is_other(c)) {
      continue;
    } else if (is_ideograph(c)) {
      result += ' ';
      text::append_code_point(result, c);
      result += ' ';
    } else {
      text::append_code_point(result, c);
    }
  }
  return result;
}

// Calls with every word: runs between white space and punctuation, and each punctuation character.
template <class Call>
void for_each_word(std::string_view text, Call call) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = text::next_code_point(text, at);
    const bool punctuation = text::is_punctuation(c);
    if (!punctuation && !text::is_python_space(c)) continue;
    if (begin < here) call(text.substr(begin, here - begin));
    if (punctuation) call(text.substr(here, at - here));
    begin = at;
  }
  if (begin < text.size()) call(text.substr(begin));
}

std::string without_accents(std::string_view text) {
  const std::string apart = text::normalize(text, text::NormalForm::kNfd, text::Tables::kLatest);
  std::string result;
  result.reserve(apart.size());
  for (std::size_t at = 0; at < apart.size();) {
    const char32_t c = text::next_code_point(apart, at);
    if (!text::is_nonspacing_mark(c)) text::append_code_point(result, c);
  }
  return result;
}

}  // namespace

BertTokenizer::BertTokenizer(const std::filesystem::path& vocabulary,
                             const std::vector<std::string>& added)
    : words_(read_words(vocabulary)), id_limit_(words_.id_limit()) {
  const auto required = [&](const char* token) {
    const auto id = words_.token_to_id(token);
    if (!id)
      throw Error(HN_DATA_LOSS, where_of(vocabulary) + ": expected the token " + token +
                                    ", got a vocabulary without it");
    special_.emplace_back(token, *id);
    return *id;
  };
  required(kUnknown);
  start_ = required(kStart);
  end_ = required(kEnd);
  pad_ = required(kPad);
  if (words_.token_to_id(kMask)) required(kMask);
  for (const std::string& token : added)
    special_.emplace_back(token,
                          words_.token_to_id(token) ? *words_.token_to_id(token) : id_limit_++);
}

void BertTokenizer::encode_part(std::string_view text, std::vector<std::int32_t>& ids) const {
  const std::string plain = without_accents(clean(text::lowercase_letters(text)));
  for_each_word(plain, [&](std::string_view word) { words_.encode(word, ids); });
}

std::vector<std::int32_t> BertTokenizer::encode_text(std::string_view raw) const {
  const std::string repaired = text::repair_utf8(raw);
  std::vector<std::int32_t> ids;
  for (std::string_view text = repaired; !text.empty();) {
    // No special token begins within another, so the first to come is the one.
    std::size_t at = std::string_view::npos;
    const std::pair<std::string, std::int32_t>* next = nullptr;
    for (const auto& each : special_) {
      const std::size_t found = text.find(each.first);
      if (found < at) {
        at = found;
        next = &each;
      }
    }
    encode_part(text.substr(0, at), ids);
    if (next == nullptr) break;
    ids.push_back(next->second);
    text.remove_prefix(at + next->first.size());
  }
  return ids;
}

BertTokens BertTokenizer::encode(std::string_view text, std::size_t max_length) const {
  if (max_length < 2)
    throw Error(HN_INVALID_ARGUMENT,
                "[bert_tokenizer] expected a length of at least 2 tokens, got " +
                    std::to_string(max_length));
  BertTokens tokens;
  tokens.ids = encode_text(text);
  tokens.full_length = tokens.ids.size() + 2;
  tokens.ids.resize(std::min(tokens.ids.size(), max_length - 2));
  tokens.ids.insert(tokens.ids.begin(), start_);
  tokens.ids.push_back(end_);
  return tokens;
}

}  // namespace hn
