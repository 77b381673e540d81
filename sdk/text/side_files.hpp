// What stands beside a vocabulary and changes ids: tokenizer_config.json, special_tokens_map.json
// and added_tokens.json.
//
// Source: transformers 5.24, tokenization_utils_base.py (_from_pretrained) and
// tokenization_utils_tokenizers.py (TokenizersBackend.__init__). Its order is kept: where
// tokenizer_config.json has added_tokens_decoder, the other two files are not read; else
// special_tokens_map.json wins over tokenizer_config.json, and added_tokens.json gives the tokens.
// Differences: an id that upstream would replace by another in silence is an error, and so is a key
// that this code does not know. docs/weights.md lists the keys.
#pragma once

#include <filesystem>
#include <hn/text/tokenizer_parts.hpp>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hn {

struct SideFiles {
  struct Token {
    AddedToken token;   // id -1: not said
    std::string where;  // file and key
    // Makes a token of added_tokens.json special.
    bool names_special = true;
  };
  std::vector<Token> declared;         // added_tokens_decoder or added_tokens.json, by their ids
  std::map<std::string, Token> roles;  // "bos_token", "pad_token", ...
  std::set<std::string> null_roles;    // keys whose value is null
  std::vector<Token> extra;            // additional_special_tokens, extra_special_tokens

  std::string where;            // of tokenizer_config.json, begins messages
  std::string tokenizer_class;  // "" where not said; without "Fast"
  std::int64_t max_length = 0;  // model_max_length; 0: not said, or a number that means no limit
  std::optional<bool> pads_left;
  bool split_special = false;
  std::optional<bool> add_bos, add_eos, add_prefix_space;
  std::optional<bool> lower_case, strip_accents, chinese_characters, basic_tokenize;
  std::optional<std::int32_t> extra_ids;

  // A role's token, or `otherwise`.
  std::string role(const std::string& key, const std::string& otherwise) const;
  // Adds declared tokens, roles and extras to the parts' own, as upstream does: flags of a token
  // that is there already are replaced by declared ones; a new token gets its id in the vocabulary,
  // else the next free one. Errors: HN_DATA_LOSS where a file gives another id.
  void add_to(TokenizerParts& parts) const;
  // Takes the side of padding and the padding token from a tokenizer.json where no other file says
  // them.
  void take_padding(const nlohmann::json& tokenizer_json);
  // Refuses what a tokenizer.json and tokenizer_config.json say differently and upstream's versions
  // take from different ones. HN_UNSUPPORTED names file and key.
  void agree_with(const nlohmann::json& tokenizer_json, const TokenizerParts& parts) const;
  // HN_UNSUPPORTED unless tokenizer_class is missing or one of `known`.
  void require_class(std::initializer_list<const char*> known) const;
};

// `tag` begins the messages: "[tokenizer]". `additional_are_special`: the additional_special_tokens
// of special_tokens_map.json make a token of added_tokens.json special, as up to transformers 4;
// in 5 they do not. Files that are not there say nothing. Errors:
// HN_DATA_LOSS (not JSON, wrong types, unknown keys), HN_UNSUPPORTED (cut from the left, a
// tokenizer.json under another name, sampling).
SideFiles read_side_files(const std::filesystem::path& folder, const std::string& tag,
                          bool additional_are_special = false);

}  // namespace hn
