#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/text/bert_tokenizer.hpp>
#include <hn/text/unicode.hpp>

#include "text/side_files.hpp"
#include "text/text_file.hpp"

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

SideFiles read_side(const std::filesystem::path& vocabulary) {
  SideFiles side = read_side_files(vocabulary.parent_path(), "[bert_tokenizer]",
                                   /*additional_are_special=*/true);
  side.require_class({"BertTokenizer"});
  if (side.pads_left.value_or(false) || side.split_special)
    throw Error(HN_UNSUPPORTED, side.where +
                                    ": expected padding_side right and "
                                    "split_special_tokens false, got another");
  return side;
}

TokenizerParts read_parts(const std::filesystem::path& file, const SideFiles& side) {
  const std::string text = read_text_file(file, where_of(file));
  const std::vector<std::string_view> lines = lines_of(text);
  TokenizerParts parts;
  parts.where = where_of(file);
  parts.word_piece = WordPieceOptions{.tokens = {lines.begin(), lines.end()},
                                      .unknown = side.role("unk_token", kUnknown)};
  return parts;
}

// The blocks that upstream counts as Chinese; later extensions are not among them.
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// _clean_text and _tokenize_chinese_chars in one pass.
std::string clean(std::string_view text, bool apart_ideographs) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c == U'\t' || c == U'\n' || c == U'\r' || text::is_space_separator(c)) {
      result += ' ';
    } else if (c == 0 || c == U'\uFFFD' || text::is_other(c)) {
      continue;
    } else if (apart_ideographs && is_ideograph(c)) {
      result += ' ';
      text::append_code_point(result, c);
      result += ' ';
    } else {
      text::append_code_point(result, c);
    }
  }
  return result;
}

// Calls with every word: runs between white space and, where asked, punctuation, of which each
// character is a word.
template <class Call>
void for_each_word(std::string_view text, bool cut_punctuation, Call call) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = text::next_code_point(text, at);
    const bool punctuation = cut_punctuation && text::is_punctuation(c);
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
    : BertTokenizer(vocabulary, added, read_side(vocabulary)) {}

BertTokenizer::BertTokenizer(const std::filesystem::path& vocabulary,
                             const std::vector<std::string>& added, const SideFiles& side)
    : BertTokenizer(read_parts(vocabulary, side), vocabulary, added, side) {}

BertTokenizer::BertTokenizer(TokenizerParts parts, const std::filesystem::path& vocabulary,
                             const std::vector<std::string>& added, const SideFiles& side)
    : words_(*parts.word_piece, where_of(vocabulary)), id_limit_(words_.id_limit()) {
  cleaning_.basic = side.basic_tokenize.value_or(true);
  // Upstream lower-cases in the basic tokenizer alone.
  cleaning_.lower_case = cleaning_.basic && side.lower_case.value_or(true);
  cleaning_.strip_accents = side.strip_accents.value_or(cleaning_.lower_case);
  cleaning_.apart_ideographs = side.chinese_characters.value_or(true);
  side.add_to(parts);
  std::vector<AddedToken>& tokens = parts.added_tokens;
  const auto id_of = [&](const std::string& content) -> std::optional<std::int32_t> {
    for (const AddedToken& each : tokens)
      if (each.content == content) return each.id;
    return words_.token_to_id(content);
  };
  const auto add = [&](const std::string& content, std::int32_t id) {
    const bool known = std::any_of(tokens.begin(), tokens.end(),
                                   [&](const AddedToken& each) { return each.content == content; });
    if (!known) tokens.push_back({.id = id, .content = content, .special = true});
    return id;
  };
  const auto required = [&](const char* role, const char* usual) {
    const std::string token = side.role(role, usual);
    const auto id = id_of(token);
    if (!id)
      throw Error(HN_DATA_LOSS, where_of(vocabulary) + ": expected the token " + token +
                                    ", got a vocabulary without it");
    return add(token, *id);
  };
  required("unk_token", kUnknown);
  start_ = required("cls_token", kStart);
  end_ = required("sep_token", kEnd);
  pad_ = required("pad_token", kPad);
  if (id_of(side.role("mask_token", kMask))) required("mask_token", kMask);
  for (const AddedToken& each : tokens) id_limit_ = std::max(id_limit_, each.id + 1);
  for (const std::string& token : added) {
    const auto id = id_of(token);
    add(token, id ? *id : id_limit_++);
  }
  std::vector<AddedToken> special, ordinary;
  for (AddedToken& token : tokens) {
    if (token.normalized && cleaning_.lower_case)
      token.content = text::lowercase_letters(token.content);
    (token.normalized ? ordinary : special).push_back(std::move(token));
  }
  special_ = AddedTokenFinder(std::move(special));
  ordinary_ = AddedTokenFinder(std::move(ordinary));
}

void BertTokenizer::encode_part(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (!cleaning_.basic) {
    for_each_word(text, false, [&](std::string_view word) { words_.encode(word, ids); });
    return;
  }
  std::string plain = clean(text, cleaning_.apart_ideographs);
  if (cleaning_.strip_accents) plain = without_accents(plain);
  for_each_word(plain, true, [&](std::string_view word) { words_.encode(word, ids); });
}

std::vector<std::int32_t> BertTokenizer::encode_text(std::string_view raw) const {
  const std::string repaired = text::repair_utf8(raw);
  std::vector<std::int32_t> ids;
  for (const auto& part : special_.find(repaired)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    std::string text = repaired.substr(part.begin, part.end - part.begin);
    if (cleaning_.lower_case) text = text::lowercase_letters(text);
    for (const auto& found : ordinary_.find(text)) {
      if (found.id >= 0)
        ids.push_back(found.id);
      else
        encode_part(std::string_view(text).substr(found.begin, found.end - found.begin), ids);
    }
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
