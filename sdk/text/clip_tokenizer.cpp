#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/clip_tokenizer.hpp>
#include <hn/text/open_clip_text.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <hn/text/unicode.hpp>

#include "text/byte_level.hpp"
#include "text/side_files.hpp"
#include "text/text_file.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHuggingFaceStart = "<|startoftext|>";
constexpr const char* kHuggingFaceEnd = "<|endoftext|>";
constexpr const char* kOpenClipStart = "<start_of_text>";
constexpr const char* kOpenClipEnd = "<end_of_text>";
constexpr const char* kSuffix = "</w>";
constexpr const char* kHuggingFacePattern =
    R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
// Upstream ignores case throughout. Here only the literals do, as ICU would let a class that
// ignores case match the letters' case partners too. What upstream's engine makes of it is kept:
// U+0345, the one mark whose case partner is a letter, matches nothing.
constexpr const char* kOpenClipPattern =
    R"((?i:<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}\u0345]+)";
constexpr std::size_t kOpenClipMerges = 49152 - 256 - 2;

// "a b" lines of a merges file; `line` counts from 1 for messages.
std::pair<std::string, std::string> read_merge(std::string_view text, std::size_t line,
                                               const std::string& where) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == text.size() ||
      text.find(' ', space + 1) != std::string_view::npos) {
    throw Error(HN_DATA_LOSS, where + ": line " + std::to_string(line) +
                                  ": expected two tokens with a space between, got \"" +
                                  text::repair_utf8(text.substr(0, 80)) + "\"");
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

std::vector<Piece> to_byte_pieces(std::vector<Piece> pieces) {
  for (Piece& piece : pieces) piece.text = text::to_byte_characters(piece.text);
  return pieces;
}

// Whether every byte has its character in the vocabulary, within a word and at its end: then no
// text has unknown parts.
bool covers_bytes(const nlohmann::json& vocab) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string c = text::byte_character(static_cast<std::uint8_t>(byte));
    if (!vocab.contains(c) || !vocab.contains(c + kSuffix)) return false;
  }
  return true;
}

// tokenization_clip.py builds the same parts.
TokenizerParts hugging_face_parts(const fs::path& folder, const SideFiles& side) {
  TokenizerParts parts;
  const std::string where = "[clip_tokenizer] " + folder.string();
  // What does not fit together concerns both files.
  parts.where = where + " (vocab.json, merges.txt)";
  const nlohmann::json vocab = read_json_file(folder / "vocab.json");
  if (!vocab.is_object())
    throw Error(HN_DATA_LOSS, where + "/vocab.json: expected an object from tokens to ids, got " +
                                  vocab.type_name());
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= INT32_MAX) {
      throw Error(HN_DATA_LOSS, where + "/vocab.json: token \"" + token +
                                    "\": expected an id from 0 on, got " + id.dump());
    }
    parts.bpe.vocab.emplace_back(token, id.get<std::int32_t>());
  }
  const std::string merges = read_whole_file(folder / "merges.txt");
  const std::vector<std::string_view> lines = lines_of(merges);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i].starts_with("#version")) continue;
    parts.bpe.merges.push_back(read_merge(lines[i], i + 1, where + "/merges.txt"));
  }
  const std::string unknown = side.role("unk_token", kHuggingFaceEnd);
  if (vocab.contains(unknown) || !covers_bytes(vocab)) parts.bpe.unk_token = unknown;
  parts.bpe.end_of_word_suffix = kSuffix;
  const text::Regex spaces(R"(\s+)", parts.where);
  parts.normalizer = [spaces](const Piece& piece) {
    const std::string composed =
        text::normalize(piece.text, text::NormalForm::kNfc, text::Tables::kUnicode9);
    std::string single;
    for (const text::Part& part : spaces.cut(composed))
      single += part.is_match ? " " : composed.substr(part.begin, part.end - part.begin);
    return Piece{text::lowercase_letters(single), piece.at_start};
  };
  const text::Regex words(kHuggingFacePattern, parts.where);
  const text::Regex gpt2(text::kGpt2Pattern, parts.where);
  parts.pre_tokenizer = [words, gpt2](const Piece& piece) {
    std::vector<Piece> pieces;
    for (const Piece& word :
         split_piece(piece, words.cut(piece.text), SplitBehavior::kRemoved, true)) {
      for (Piece& part :
           to_byte_pieces(split_piece(word, gpt2.cut(word.text), SplitBehavior::kIsolated)))
        pieces.push_back(std::move(part));
    }
    return pieces;
  };
  return parts;
}

// SimpleTokenizer.__init__: bytes, bytes at a word's end, merges, start, end; ids count through.
TokenizerParts open_clip_parts(const fs::path& path) {
  TokenizerParts parts;
  parts.where = "[clip_tokenizer] " + path.string();
  const std::string text = read_text_file(path, parts.where);
  std::vector<std::string_view> lines = lines_of(text);
  if (lines.size() < kOpenClipMerges + 1) {
    throw Error(HN_DATA_LOSS, parts.where + ": expected a first line and " +
                                  std::to_string(kOpenClipMerges) + " merges, got " +
                                  std::to_string(lines.size()) + " lines");
  }
  std::vector<std::string> tokens;
  for (const bool itself : {true, false}) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (text::byte_stands_for_itself(static_cast<std::uint8_t>(byte)) == itself)
        tokens.push_back(text::byte_character(static_cast<std::uint8_t>(byte)));
    }
  }
  for (std::size_t i = 0; i < 256; ++i) tokens.push_back(tokens[i] + kSuffix);
  for (std::size_t i = 1; i <= kOpenClipMerges; ++i) {
    parts.bpe.merges.push_back(read_merge(lines[i], i + 1, parts.where));
    tokens.push_back(parts.bpe.merges.back().first + parts.bpe.merges.back().second);
  }
  for (std::size_t i = 0; i < tokens.size(); ++i)
    parts.bpe.vocab.emplace_back(tokens[i], static_cast<std::int32_t>(i));
  for (const char* name : {kOpenClipStart, kOpenClipEnd}) {
    parts.bpe.whole_words.emplace_back(
        name, static_cast<std::int32_t>(tokens.size() + parts.bpe.whole_words.size()));
  }
  parts.bpe.end_of_word_suffix = kSuffix;
  parts.normalizer = [](const Piece& piece) {
    return Piece{text::clean_for_open_clip(piece.text), piece.at_start};
  };
  const text::Regex words(kOpenClipPattern, parts.where);
  parts.pre_tokenizer = [words](const Piece& piece) {
    return to_byte_pieces(split_piece(piece, words.cut(piece.text), SplitBehavior::kRemoved, true));
  };
  return parts;
}

// The ends that CLIP's tokenizer has without being told; the vocabulary must have them.
void add_usual_ends(const SideFiles& side, TokenizerParts& parts, const std::string& file) {
  const auto vocabulary = vocabulary_ids(parts);
  for (const auto& [role, usual] : {std::pair{"bos_token", kHuggingFaceStart},
                                    {"eos_token", kHuggingFaceEnd},
                                    {"pad_token", kHuggingFaceEnd}}) {
    if (side.null_roles.contains(role))
      throw Error(HN_UNSUPPORTED, side.where + ": " + role + ": expected a token, got null");
    const std::string content = side.role(role, usual);
    const bool known = std::any_of(parts.added_tokens.begin(), parts.added_tokens.end(),
                                   [&](const AddedToken& each) { return each.content == content; });
    if (known) continue;
    const auto found = vocabulary.find(content);
    if (found == vocabulary.end())
      throw Error(HN_DATA_LOSS,
                  file + ": expected the token " + content + ", got a vocabulary without it");
    parts.added_tokens.push_back({.id = found->second, .content = content, .special = true});
  }
}

}  // namespace

ClipTokenizer::ClipTokenizer(Tokenizer tokenizer, ClipConvention convention, std::string_view start,
                             std::string_view end, std::string_view pad)
    : tokenizer_(std::move(tokenizer)), convention_(convention) {
  const auto start_id = tokenizer_.token_to_id(start);
  const auto end_id = tokenizer_.token_to_id(end);
  if (!start_id || !end_id) {
    throw Error(HN_DATA_LOSS, "[clip_tokenizer] expected the tokens " + std::string(start) +
                                  " and " + std::string(end) + ", got a vocabulary without them");
  }
  start_id_ = *start_id;
  end_id_ = *end_id;
  if (pad.empty()) return;
  const auto pad_id = tokenizer_.token_to_id(pad);
  if (!pad_id)
    throw Error(HN_DATA_LOSS, "[clip_tokenizer] expected the padding token " + std::string(pad) +
                                  ", got a vocabulary without it");
  pad_id_ = *pad_id;
}

ClipTokenizer ClipTokenizer::from_hugging_face(const fs::path& folder) {
  std::error_code ignored;
  const bool has_vocab = fs::exists(folder / "vocab.json", ignored);
  const bool has_merges = fs::exists(folder / "merges.txt", ignored);
  const bool whole = fs::exists(folder / "tokenizer.json", ignored);
  if (!(has_vocab && has_merges) && !whole) {
    throw Error(HN_NOT_FOUND, "[clip_tokenizer] " + folder.string() +
                                  ": expected vocab.json and merges.txt, or tokenizer.json, got " +
                                  (has_vocab    ? "no merges.txt"
                                   : has_merges ? "no vocab.json"
                                                : "none of them"));
  }
  SideFiles side = read_side_files(folder, "[clip_tokenizer]");
  side.require_class({"CLIPTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"});
  TokenizerParts parts;
  const std::string where = "[clip_tokenizer] " + folder.string();
  if (whole) {
    const fs::path file = folder / "tokenizer.json";
    const nlohmann::json json = parse_json(read_whole_file(file), where + "/tokenizer.json");
    parts = read_tokenizer_parts(json, where + "/tokenizer.json");
    side.agree_with(json, parts);
    side.take_padding(json);
  } else {
    parts = hugging_face_parts(folder, side);
  }
  if (side.pads_left.value_or(false))
    throw Error(HN_UNSUPPORTED, side.where + ": padding_side: expected right, got left");
  side.add_to(parts);
  add_usual_ends(side, parts, where + (whole ? "/tokenizer.json" : "/vocab.json"));
  ClipTokenizer made(Tokenizer(std::move(parts)), ClipConvention::kHuggingFace,
                     side.role("bos_token", kHuggingFaceStart),
                     side.role("eos_token", kHuggingFaceEnd),
                     side.role("pad_token", kHuggingFaceEnd));
  made.max_length_ = side.max_length;
  return made;
}

ClipTokenizer ClipTokenizer::from_open_clip(const fs::path& merges_file) {
  return ClipTokenizer(Tokenizer(open_clip_parts(merges_file)), ClipConvention::kOpenClip,
                       kOpenClipStart, kOpenClipEnd, "");
}

std::vector<std::int32_t> ClipTokenizer::encode_text(std::string_view text) const {
  return tokenizer_.encode(text, false);
}

ClipTokens ClipTokenizer::encode(std::string_view text, std::int32_t context_length) const {
  if (context_length < 2)
    throw Error(HN_INVALID_ARGUMENT,
                "[clip_tokenizer] expected a context of at least 2 tokens, got " +
                    std::to_string(context_length));
  const auto length = static_cast<std::size_t>(context_length);
  std::vector<std::int32_t> ids = encode_text(text);
  ids.resize(std::min(ids.size(), length - 2));
  ids.insert(ids.begin(), start_id_);
  ids.push_back(end_id_);
  PaddedIds padded = pad_right(ids, length, pad_id_);
  ClipTokens tokens{std::move(padded.ids), std::move(padded.mask), 0};
  tokens.end_position = static_cast<std::int32_t>(
      std::find(tokens.ids.begin(), tokens.ids.end(), end_id_) - tokens.ids.begin());
  return tokens;
}

}  // namespace hn
