// What side files make of a vocabulary's parts.
#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>

#include "text/side_files.hpp"

namespace hn {
namespace {

using Json = nlohmann::json;

// The tokens of `parts` with their ids, and the vocabulary's where it has to be asked.
class TokenTable {
 public:
  explicit TokenTable(TokenizerParts& parts) : parts_(parts) {
    for (std::size_t i = 0; i < parts.added_tokens.size(); ++i)
      at_.emplace(parts.added_tokens[i].content, i);
  }

  bool has(const std::string& content) const { return at_.contains(content); }
  bool in_vocabulary(const std::string& content) { return vocabulary().contains(content); }

  void add(const SideFiles::Token& given) {
    const auto found = at_.find(given.token.content);
    AddedToken token = given.token;
    token.id = found != at_.end() ? parts_.added_tokens[found->second].id : id_of(given);
    if (given.token.id >= 0 && given.token.id != token.id)
      throw Error(HN_DATA_LOSS, given.where + ": \"" + token.content + "\": expected the id " +
                                    std::to_string(token.id) +
                                    (found != at_.end() || vocabulary().contains(token.content)
                                         ? " that the vocabulary gives it"
                                         : ", the next one behind the vocabulary") +
                                    ", got " + std::to_string(given.token.id));
    if (found != at_.end()) {
      parts_.added_tokens[found->second] = std::move(token);
      return;
    }
    at_.emplace(token.content, parts_.added_tokens.size());
    parts_.added_tokens.push_back(std::move(token));
  }

 private:
  const std::unordered_map<std::string_view, std::int32_t>& vocabulary() {
    if (!vocabulary_) vocabulary_ = vocabulary_ids(parts_);
    return *vocabulary_;
  }

  std::int32_t id_of(const SideFiles::Token& given) {
    const auto known = vocabulary().find(given.token.content);
    if (known != vocabulary().end()) return known->second;
    auto next = static_cast<std::int32_t>(vocabulary().size());
    for (const AddedToken& token : parts_.added_tokens) next = std::max(next, token.id + 1);
    for (const auto& [content, id] : vocabulary()) {
      if (id == next)
        throw Error(HN_DATA_LOSS, given.where + ": \"" + given.token.content +
                                      "\": expected a vocabulary whose ids leave none out, got one "
                                      "where \"" +
                                      std::string(content) + "\" has the next id " +
                                      std::to_string(id));
    }
    return next;
  }

  TokenizerParts& parts_;
  std::map<std::string, std::size_t> at_;
  std::optional<std::unordered_map<std::string_view, std::int32_t>> vocabulary_;
};

}  // namespace

void SideFiles::add_to(TokenizerParts& parts) const {
  parts.split_special = split_special;
  TokenTable table(parts);
  for (const Token& each : declared) table.add(each);
  // In upstream's order, as the order gives new tokens their ids.
  std::vector<std::string> keys = {"bos_token", "eos_token", "unk_token", "sep_token",
                                   "pad_token", "cls_token", "mask_token"};
  const std::size_t usual = keys.size();
  for (const auto& [key, role] : roles)
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  std::size_t new_ones = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto found = roles.find(keys[i]);
    if (found == roles.end() || table.has(found->second.token.content)) continue;
    // Tokens with names of their own would get ids in the order of the file, which is not kept.
    if (i >= usual && !table.in_vocabulary(found->second.token.content) && ++new_ones > 1)
      throw Error(HN_UNSUPPORTED, found->second.where +
                                      ": expected at most one token without an id, got \"" +
                                      found->second.token.content + "\" too");
    table.add(found->second);
  }
  for (const Token& each : extra)
    if (!table.has(each.token.content)) table.add(each);
}

void SideFiles::take_padding(const Json& file) {
  const auto found = file.find("padding");
  if (found == file.end() || found->is_null()) return;
  JsonObject padding(*found, "padding");
  if (!pads_left && padding.has("direction"))
    pads_left = padding.get<std::string>("direction") == "Left";
  if (padding.has("pad_token") && !roles.contains("pad_token")) {
    Token pad;
    pad.token.id = -1;
    pad.token.content = padding.get<std::string>("pad_token");
    pad.token.special = true;
    pad.where = "tokenizer.json: padding: pad_token";
    roles["pad_token"] = std::move(pad);
  }
}

void SideFiles::agree_with(const Json& file, const TokenizerParts& parts) const {
  const auto differ = [&](const std::string& key, const std::string& expected, bool got) {
    throw Error(HN_UNSUPPORTED, where + ": " + key + ": expected " + expected +
                                    ", which tokenizer.json has, got " + (got ? "true" : "false"));
  };
  const auto text_of = [](const Json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string()
               ? found->get<std::string>()
               : std::string();
  };
  if (text_of(file.value("truncation", Json()), "direction") == "Left")
    throw Error(HN_UNSUPPORTED, parts.where + ": truncation: direction: expected Right, got Left");
  const Json cutter = file.value("pre_tokenizer", Json());
  if (add_prefix_space && cutter.is_object() && cutter.contains("add_prefix_space") &&
      cutter["add_prefix_space"] != *add_prefix_space)
    differ("add_prefix_space", cutter["add_prefix_space"].dump(), *add_prefix_space);
  const Json cleaner = file.value("normalizer", Json());
  if (text_of(cleaner, "type") == "BertNormalizer") {
    for (const auto& [key, mine, theirs] :
         {std::tuple{"do_lower_case", lower_case, "lowercase"},
          {"strip_accents", strip_accents, "strip_accents"},
          {"tokenize_chinese_chars", chinese_characters, "handle_chinese_chars"}})
      if (mine && cleaner.value(theirs, Json(true)) != *mine)
        differ(key, cleaner.value(theirs, Json(true)).dump(), *mine);
  }
  // What stands in front of a text, and behind it.
  constexpr std::int32_t kText = -1;
  const std::vector<std::int32_t> ends =
      parts.post_processor ? parts.post_processor({kText}) : std::vector<std::int32_t>{kText};
  if (add_bos && *add_bos != (ends.empty() || ends.front() != kText))
    differ("add_bos_token", *add_bos ? "false" : "true", *add_bos);
  if (add_eos && *add_eos != (ends.empty() || ends.back() != kText))
    differ("add_eos_token", *add_eos ? "false" : "true", *add_eos);
}

}  // namespace hn
