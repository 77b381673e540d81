// tokenizer.json as a whole: the model, the added tokens, and the parts that have files of their
// own.
#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/tokenizer_parts.hpp>

namespace hn {
namespace {

using Json = nlohmann::json;

std::vector<std::pair<std::string, std::int32_t>> read_vocab(JsonObject& model) {
  const Json& json = model.member("vocab");
  if (!json.is_object()) model.fail("vocab", "an object from tokens to ids");
  std::vector<std::pair<std::string, std::int32_t>> vocab;
  vocab.reserve(json.size());
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= INT32_MAX) {
      throw Error(HN_DATA_LOSS, model.where() + ": vocab: token \"" + token +
                                    "\": expected an id from 0 on, got " + id.dump());
    }
    vocab.emplace_back(token, id.get<std::int32_t>());
  }
  return vocab;
}

[[noreturn]] void refuse_merge(const JsonObject& model, std::size_t number, const Json& merge) {
  throw Error(HN_DATA_LOSS, model.where() + ": merges: number " + std::to_string(number) +
                                ": expected \"a b\" or [\"a\", \"b\"], got " +
                                merge.dump().substr(0, 80));
}

std::vector<std::pair<std::string, std::string>> read_merges(JsonObject& model) {
  const Json& json = model.member("merges");
  if (!json.is_array()) model.fail("merges", "an array");
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const Json& merge = json[i];
    if (merge.is_array()) {
      if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
        refuse_merge(model, i, merge);
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    if (!merge.is_string()) refuse_merge(model, i, merge);
    const auto& text = merge.get_ref<const std::string&>();
    if (text.starts_with("#version")) continue;
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      refuse_merge(model, i, merge);
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

// Pieces as [text, score]; the index is the id.
UnigramOptions read_unigram(const Json& json, const std::string& where) {
  JsonObject model(json, where);
  model.ignore({"type"});
  UnigramOptions options;
  const Json& vocab = model.member("vocab");
  if (!vocab.is_array()) model.fail("vocab", "an array of [token, score]");
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const Json& pair = vocab[i];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number()) {
      throw Error(HN_DATA_LOSS, where + ": vocab: number " + std::to_string(i) +
                                    ": expected [token, score], got " + pair.dump().substr(0, 80));
    }
    options.pieces.push_back({pair[0].get<std::string>(), pair[1].get<double>()});
  }
  if (model.has("unk_id")) options.unk_id = model.get<std::int32_t>("unk_id");
  options.byte_fallback = model.get_or<bool>("byte_fallback", false);
  model.ignore({"unk_id"});
  model.finish();
  return options;
}

BpeOptions read_bpe(const Json& json, const std::string& where) {
  JsonObject model(json, where);
  model.ignore({"type"});
  BpeOptions options;
  options.vocab = read_vocab(model);
  options.merges = read_merges(model);
  if (model.has("unk_token")) options.unk_token = model.get<std::string>("unk_token");
  options.continuing_subword_prefix = model.get_or<std::string>("continuing_subword_prefix", "");
  options.end_of_word_suffix = model.get_or<std::string>("end_of_word_suffix", "");
  options.fuse_unk = model.get_or<bool>("fuse_unk", false);
  options.byte_fallback = model.get_or<bool>("byte_fallback", false);
  options.ignore_merges = model.get_or<bool>("ignore_merges", false);
  if (model.get_or<double>("dropout", 0.0) != 0.0) {
    throw Error(HN_UNSUPPORTED, where + ": dropout: expected none, as ids would be random, got " +
                                    json["dropout"].dump());
  }
  model.ignore({"unk_token"});
  model.finish();
  return options;
}

// The tokens by their ids, which must leave none out.
WordPieceOptions read_word_piece(const Json& json, const std::string& where) {
  JsonObject model(json, where);
  model.ignore({"type"});
  WordPieceOptions options;
  const auto vocab = read_vocab(model);
  options.tokens.resize(vocab.size());
  std::vector<bool> seen(vocab.size());
  for (const auto& [token, id] : vocab) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= vocab.size() || seen[at])
      throw Error(HN_DATA_LOSS, where + ": vocab: expected the ids 0 to " +
                                    std::to_string(vocab.size() - 1) + " once each, got " +
                                    std::to_string(id) + " for \"" + token + "\"");
    seen[at] = true;
    options.tokens[at] = token;
  }
  options.unknown = model.get_or<std::string>("unk_token", options.unknown);
  options.continues = model.get_or<std::string>("continuing_subword_prefix", options.continues);
  const auto most = model.get_or<std::int64_t>("max_input_chars_per_word", 100);
  if (most < 0 || most > 1000) model.fail("max_input_chars_per_word", "0 to 1000");
  options.most_characters = static_cast<std::size_t>(most);
  model.finish();
  return options;
}

std::vector<AddedToken> read_added_tokens(const Json& json, const std::string& where,
                                          const TokenizerParts& parts) {
  if (!json.is_array())
    throw Error(HN_DATA_LOSS, where + ": expected an array, got " + json.type_name());
  std::unordered_map<std::string_view, std::int32_t> ids;
  if (!json.empty()) ids = vocabulary_ids(parts);
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < json.size(); ++i) {
    JsonObject object(json[i], where + " " + std::to_string(i));
    AddedToken token;
    token.id = object.get<std::int32_t>("id");
    token.content = object.get<std::string>("content");
    token.single_word = object.get_or<bool>("single_word", false);
    token.lstrip = object.get_or<bool>("lstrip", false);
    token.rstrip = object.get_or<bool>("rstrip", false);
    token.special = object.get_or<bool>("special", false);
    token.normalized = object.get_or<bool>("normalized", !token.special);
    object.finish();
    if (token.id < 0 || token.id == INT32_MAX) object.fail("id", "an id from 0 on");
    if (const auto found = ids.find(token.content);
        found != ids.end() && found->second != token.id) {
      object.fail("id", std::to_string(found->second) + ", the id of \"" + token.content +
                            "\" in the vocabulary");
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

namespace {

void read_model(const Json& json, const std::string& where, TokenizerParts& parts) {
  JsonObject model(json, where);
  // Files from before 2021 have no type; what has merges is BPE.
  const auto type =
      model.get_or<std::string>("type", json.contains("merges") ? "BPE" : "without a name");
  if (type == "BPE") {
    parts.bpe = read_bpe(json, where);
  } else if (type == "Unigram") {
    parts.unigram = read_unigram(json, where);
  } else if (type == "WordPiece") {
    parts.word_piece = read_word_piece(json, where);
  } else {
    refuse_type(where, type, "BPE, Unigram, WordPiece");
  }
}

}  // namespace

std::unordered_map<std::string_view, std::int32_t> vocabulary_ids(const TokenizerParts& parts) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  const auto add = [&](std::string_view token, std::size_t id) {
    ids.insert_or_assign(token, static_cast<std::int32_t>(id));
  };
  if (parts.unigram) {
    ids.reserve(parts.unigram->pieces.size());
    for (std::size_t i = 0; i < parts.unigram->pieces.size(); ++i)
      add(parts.unigram->pieces[i].text, i);
  } else if (parts.word_piece) {
    for (std::size_t i = 0; i < parts.word_piece->tokens.size(); ++i)
      add(parts.word_piece->tokens[i], i);
  } else {
    ids.reserve(parts.bpe.vocab.size());
    for (const auto& [token, id] : parts.bpe.vocab) add(token, static_cast<std::size_t>(id));
  }
  return ids;
}

void refuse_growth(const std::string& where, std::size_t most, const char* unit) {
  throw Error(HN_INVALID_ARGUMENT, where + ": expected at most " + std::to_string(most) + " " +
                                       unit + " of this text, got more");
}

void refuse_type(const std::string& where, const std::string& type, const char* known) {
  throw Error(HN_UNSUPPORTED, where + ": expected a type of " + known + ", got \"" + type + "\"");
}

std::function<std::vector<text::Part>(std::string_view)> read_pattern(const Json& json,
                                                                      const std::string& where) {
  JsonObject object(json, where);
  if (object.has("String")) {
    const auto literal = object.get<std::string>("String");
    object.finish();
    return [literal](std::string_view text) { return text::cut_by_literal(text, literal); };
  }
  const text::Regex regex(object.get<std::string>("Regex"), where);
  object.finish();
  return [regex](std::string_view text) { return regex.cut(text); };
}

TokenizerParts read_tokenizer_parts(const Json& json, const std::string& where) {
  JsonObject file(json, where);
  // Padding and truncation are the caller's, as in transformers; decoding is not this library's
  // business.
  file.ignore({"version", "truncation", "padding", "decoder"});
  TokenizerParts parts;
  parts.where = where;
  read_model(file.member("model"), where + ": model", parts);
  if (const Json* part = file.optional_member("added_tokens"))
    parts.added_tokens = read_added_tokens(*part, where + ": added_tokens", parts);
  if (const Json* part = file.optional_member("normalizer"))
    parts.normalizer = read_normalizer(*part, where + ": normalizer");
  if (const Json* part = file.optional_member("pre_tokenizer"))
    parts.pre_tokenizer = read_pre_tokenizer(*part, where + ": pre_tokenizer");
  if (const Json* part = file.optional_member("post_processor"))
    parts.post_processor = read_post_processor(*part, where + ": post_processor");
  file.finish();
  return parts;
}

}  // namespace hn
