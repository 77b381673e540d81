#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/added_tokens.hpp>
#include <hn/text/tokenizer.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <hn/text/unicode.hpp>
#include <mutex>
#include <variant>

#include "text/sentencepiece.hpp"
#include "text/side_files.hpp"

namespace hn {
namespace {

std::vector<AddedToken> select(const TokenizerParts& parts, bool normalized) {
  std::vector<AddedToken> selected;
  std::size_t given = 0, made = 0;  // bytes
  for (const AddedToken& token : parts.added_tokens) {
    const bool behind = token.normalized && !parts.tokens_as_they_stand;
    if (behind != normalized || (token.special && parts.split_special)) continue;
    selected.push_back(token);
    if (normalized && parts.normalizer)
      selected.back().content = parts.normalizer({token.content, true}).text;
    given += token.content.size();
    made += selected.back().content.size();
    if (made > most_bytes(given))
      refuse_growth(parts.where + ": added_tokens", most_bytes(given), "bytes");
  }
  return selected;
}

}  // namespace

struct Tokenizer::State {
  using Model = std::variant<BpeModel, UnigramModel, WordPieceModel>;

  explicit State(TokenizerParts given)
      : parts(std::move(given)),
        model(make_model(parts)),
        raw_tokens(select(parts, false)),
        normalized_tokens(select(parts, true)) {
    parts.bpe = {};  // the model has its own tables
    parts.unigram.reset();
    parts.word_piece.reset();
  }

  static Model make_model(const TokenizerParts& parts) {
    if (parts.unigram) return Model(std::in_place_type<UnigramModel>, *parts.unigram, parts.where);
    if (parts.word_piece)
      return Model(std::in_place_type<WordPieceModel>, *parts.word_piece, parts.where + ": model");
    return Model(std::in_place_type<BpeModel>, parts.bpe, parts.where);
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) {
    std::visit([&](auto& each) { each.encode(word, ids); }, model);
  }

  void encode_piece(Piece piece, std::vector<std::int32_t>& ids) {
    if (!parts.pre_tokenizer) {
      encode_word(piece.text, ids);
      return;
    }
    for (const Piece& word : parts.pre_tokenizer(std::move(piece))) encode_word(word.text, ids);
  }

  // Text between added tokens: normalised, then searched for the tokens that are looked for
  // afterwards.
  void encode_stretch(std::string_view stretch, bool at_start, std::vector<std::int32_t>& ids) {
    Piece piece{std::string(stretch), at_start};
    if (parts.normalizer) piece = parts.normalizer(std::move(piece));
    for (const auto& found : normalized_tokens.find(piece.text)) {
      if (found.id >= 0) {
        ids.push_back(found.id);
      } else if (found.begin < found.end) {
        encode_piece({piece.text.substr(found.begin, found.end - found.begin),
                      piece.at_start && found.begin == 0},
                     ids);
      }
    }
  }

  TokenizerParts parts;
  Model model;
  AddedTokenFinder raw_tokens;
  AddedTokenFinder normalized_tokens;
  std::mutex mutex;  // the model's cache and the regular expressions have state
};

Tokenizer::Tokenizer(TokenizerParts parts) : state_(std::make_unique<State>(std::move(parts))) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_file(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(path, ignored)) {
    file = path / "tokenizer.json";
    if (!std::filesystem::exists(file, ignored) &&
        std::filesystem::exists(path / "spiece.model", ignored))
      file = path / "spiece.model";
  }
  const std::string where = "[tokenizer] " + file.string();
  constexpr std::int32_t kUsualExtraIds = 100;
  SideFiles side = read_side_files(file.parent_path(), "[tokenizer]");
  TokenizerParts parts;
  if (file.extension() == ".model") {
    side.require_class({"T5Tokenizer"});
    parts = t5_sentencepiece_parts(read_whole_file(file), side.extra_ids.value_or(kUsualExtraIds),
                                   where);
  } else {
    const nlohmann::json json = parse_json(read_whole_file(file), where);
    parts = read_tokenizer_parts(json, where);
    side.agree_with(json, parts);
    side.take_padding(json);
  }
  side.add_to(parts);
  Tokenizer tokenizer(std::move(parts));
  tokenizer.pad_id_ = tokenizer.token_to_id(side.role("pad_token", "<pad>"));
  tokenizer.pads_left_ = side.pads_left.value_or(false);
  tokenizer.eos_token_ = side.role("eos_token", "");
  return tokenizer;
}

Tokenizer Tokenizer::from_json(std::string_view json_text, const std::string& where) {
  const std::string place = "[tokenizer] " + where;
  return Tokenizer(read_tokenizer_parts(parse_json(json_text, place), place));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  const std::string repaired = text::repair_utf8(text);
  const std::lock_guard lock(state_->mutex);
  std::vector<std::int32_t> ids;
  for (const auto& found : state_->raw_tokens.find(repaired)) {
    if (found.id >= 0) {
      ids.push_back(found.id);
    } else if (found.begin < found.end) {
      state_->encode_stretch(
          std::string_view(repaired).substr(found.begin, found.end - found.begin), found.begin == 0,
          ids);
    }
    if (ids.size() > most_bytes(repaired.size()))
      refuse_growth(state_->parts.where, most_bytes(repaired.size()), "ids");
  }
  if (add_special_tokens && state_->parts.post_processor)
    ids = state_->parts.post_processor(std::move(ids));
  return ids;
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  for (const AddedToken& added : state_->parts.added_tokens) {
    if (added.content == token) return added.id;
  }
  return std::visit([&](const auto& each) { return each.token_to_id(token); }, state_->model);
}

std::int32_t Tokenizer::id_limit() const {
  std::int32_t limit = std::visit([](const auto& each) { return each.id_limit(); }, state_->model);
  for (const AddedToken& added : state_->parts.added_tokens) limit = std::max(limit, added.id + 1);
  return limit;
}

PaddedIds pad_right(std::span<const std::int32_t> ids, std::size_t length, std::int32_t pad_id) {
  PaddedIds padded{std::vector<std::int32_t>(length, pad_id), std::vector<std::int32_t>(length, 0)};
  for (std::size_t i = 0; i < std::min(length, ids.size()); ++i) {
    padded.ids[i] = ids[i];
    padded.mask[i] = 1;
  }
  return padded;
}

}  // namespace hn
