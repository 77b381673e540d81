#include "text/side_files.hpp"

#include <algorithm>
#include <charconv>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>

namespace hn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kExtraKeys[] = {"additional_special_tokens", "extra_special_tokens"};

// A token as a text, or as an object with its flags.
AddedToken read_token(const Json& value, const std::string& where, bool special) {
  AddedToken token;
  token.id = -1;
  token.special = special;
  if (value.is_string()) {
    token.content = value.get<std::string>();
  } else {
    JsonObject object(value, where);
    token.content = object.get<std::string>("content");
    token.special = object.get_or<bool>("special", special) || special;
    token.single_word = object.get_or<bool>("single_word", false);
    token.lstrip = object.get_or<bool>("lstrip", false);
    token.rstrip = object.get_or<bool>("rstrip", false);
    token.normalized = object.get_or<bool>("normalized", !token.special);
    object.ignore({"__type", "id"});
    object.finish();
  }
  if (token.content.empty())
    throw Error(HN_DATA_LOSS, where + ": expected a token, got an empty text");
  return token;
}

void add_extra(const Json& list, const std::string& where, std::vector<SideFiles::Token>& extra) {
  if (!list.is_array())
    throw Error(HN_DATA_LOSS, where + ": expected an array of tokens, got " + list.type_name());
  for (const Json& value : list) {
    AddedToken token = read_token(value, where, true);
    const bool known = std::any_of(extra.begin(), extra.end(), [&](const SideFiles::Token& each) {
      return each.token.content == token.content;
    });
    if (!known) extra.push_back({std::move(token), where});
  }
}

// Every key "..._token" with a token, and the lists of further ones.
void read_special_tokens(const Json& json, JsonObject& object, SideFiles& side) {
  for (const auto& [key, value] : json.items()) {
    const std::string where = object.where() + ": " + key;
    if (key.ends_with("_token") && !value.is_boolean()) {
      object.ignore({key.c_str()});
      side.null_roles.erase(key);
      if (value.is_null())
        side.null_roles.insert(key);
      else
        side.roles[key] = {read_token(value, where, true), where};
    }
  }
  if (const Json* named = object.optional_member("model_specific_special_tokens")) {
    JsonObject tokens(*named, object.where() + ": model_specific_special_tokens");
    for (const auto& [key, value] : named->items())
      side.roles[key] = {read_token(value, tokens.where() + ": " + key, true), tokens.where()};
  }
  for (const char* key : kExtraKeys) {
    const Json* list = object.optional_member(key);
    if (list == nullptr) continue;
    const std::string where = object.where() + ": " + key;
    if (list->is_object()) {  // named ones
      for (const auto& [name, value] : list->items())
        side.roles[name] = {read_token(value, where + ": " + name, true), where};
    } else {
      add_extra(*list, where, side.extra);
    }
  }
}

std::int64_t read_max_length(JsonObject& config) {
  std::int64_t length = 0;
  for (const char* key : {"max_len", "model_max_length"}) {
    const Json* value = config.optional_member(key);
    if (value == nullptr) continue;
    if (!value->is_number() || value->get<double>() < 1) config.fail(key, "a number from 1 on");
    // Files without a limit carry a huge number there, 1e30 written out.
    const double number = value->get<double>();
    if (number != static_cast<double>(static_cast<std::int64_t>(std::min(number, 1e15))) &&
        number < 1e15)
      config.fail(key, "a whole number");
    length = number > INT32_MAX ? 0 : static_cast<std::int64_t>(number);
  }
  return length;
}

std::optional<bool> flag(JsonObject& config, const char* key) {
  if (!config.has(key)) {
    config.ignore({key});
    return std::nullopt;
  }
  return config.get<bool>(key);
}

[[noreturn]] void unsupported(const JsonObject& config, const std::string& key,
                              const std::string& expected, const Json& got) {
  throw Error(HN_UNSUPPORTED, config.where() + ": " + key + ": expected " + expected + ", got " +
                                  got.dump().substr(0, 80));
}

// Unless missing, null, empty or `usual`.
void only(JsonObject& config, const char* key, const Json& usual, const char* expected) {
  const Json* value = config.optional_member(key);
  if (value != nullptr && *value != usual && !value->empty())
    unsupported(config, key, expected, *value);
}

// What says nothing about ids.
void ignore_the_rest(JsonObject& config) {
  // Where the tokenizer came from and who reads it.
  config.ignore({"name_or_path",
                 "_name_or_path",
                 "_commit_hash",
                 "_from_auto",
                 "auto_map",
                 "backend",
                 "cache_dir",
                 "device_map",
                 "files_loaded",
                 "force_download",
                 "from_slow",
                 "full_tokenizer_file",
                 "is_local",
                 "local_files_only",
                 "merges_file",
                 "model_input_names",
                 "model_type",
                 "processor_class",
                 "resume_download",
                 "revision",
                 "special_tokens_map_file",
                 "subfolder",
                 "token",
                 "tokenizer_file",
                 "tokenizer_type",
                 "tokenizer_version",
                 "torch_dtype",
                 "transformers_version",
                 "trust_remote_code",
                 "use_auth_token",
                 "use_fast",
                 "use_token",
                 "verbose",
                 "vocab_file",
                 "vocab_size",
                 "added_tokens_file"});
  // Back from ids to text, and conversations.
  config.ignore({"clean_up_tokenization_spaces",
                 "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
                 "errors", "spaces_between_special_tokens", "chat_template", "chat_control_tokens",
                 "response_schema", "response_template", "use_default_system_prompt"});
  // Arguments of a call, which the caller here gives itself; upstream keeps them and reads none.
  config.ignore({"max_length", "max_len_sentences_pair", "max_len_single_sentence",
                 "pad_to_max_length", "pad_to_multiple_of", "pad_token_type_id", "padding",
                 "return_token_type_ids", "return_attention_mask", "return_tensors", "stride",
                 "truncation", "truncation_strategy"});
  // Of tokenizers whose tokenizer.json has the effect already, or whose slow forms alone read them.
  // legacy: how T5's slow tokenizer joined text to an added token; upstream's one of today does not
  // heed it.
  config.ignore({"legacy", "keep_accents", "remove_space", "do_remove_accents", "unk_id",
                 "do_split_on_punc", "add_dummy_prefix_space", "trim_offsets"});
}

void read_config(const Json& json, const std::string& where, SideFiles& side) {
  JsonObject config(json, where);
  side.tokenizer_class = config.get_or<std::string>("tokenizer_class", "");
  if (side.tokenizer_class.ends_with("Fast") && side.tokenizer_class != "PreTrainedTokenizerFast")
    side.tokenizer_class.resize(side.tokenizer_class.size() - 4);
  side.max_length = read_max_length(config);
  const auto side_of = [&](const char* key) {
    const auto name = config.get_or<std::string>(key, "right");
    if (name != "left" && name != "right") config.fail(key, "right or left");
    return name;
  };
  if (config.has("padding_side")) side.pads_left = side_of("padding_side") == "left";
  config.ignore({"padding_side"});
  if (side_of("truncation_side") == "left") unsupported(config, "truncation_side", "right", "left");
  side.split_special = config.get_or<bool>("split_special_tokens", false);
  side.add_bos = flag(config, "add_bos_token");
  side.add_eos = flag(config, "add_eos_token");
  side.add_prefix_space = flag(config, "add_prefix_space");
  side.lower_case = flag(config, "do_lower_case");
  side.strip_accents = flag(config, "strip_accents");
  side.chinese_characters = flag(config, "tokenize_chinese_chars");
  side.basic_tokenize = flag(config, "do_basic_tokenize");
  if (config.has("extra_ids")) {
    side.extra_ids = config.get<std::int32_t>("extra_ids");
    if (*side.extra_ids < 0 || *side.extra_ids > 100000) config.fail("extra_ids", "0 to 100000");
  }
  config.ignore({"extra_ids", "added_tokens_decoder"});
  only(config, "never_split", nullptr, "none");
  only(config, "init_inputs", Json::array(), "none");
  only(config, "fix_mistral_regex", false, "false");
  only(config, "sp_model_kwargs", Json::object(), "none (sampling makes ids random)");
  only(config, "fast_tokenizer_files", Json::array({"tokenizer.json"}), "tokenizer.json alone");
  read_special_tokens(json, config, side);
  ignore_the_rest(config);
  config.finish();
}

// {"49408": {"content": "<sks>", ...}}
void read_decoder(const Json& json, const std::string& where, SideFiles& side) {
  if (!json.is_object())
    throw Error(HN_DATA_LOSS, where + ": expected an object from ids to tokens");
  for (const auto& [key, value] : json.items()) {
    AddedToken token = read_token(value, where + ": " + key, false);
    const char* end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, token.id);
    if (error != std::errc() || stop != end || token.id < 0 || token.id == INT32_MAX)
      throw Error(HN_DATA_LOSS, where + ": expected ids from 0 on, got \"" + key + "\"");
    side.declared.push_back({std::move(token), where});
  }
}

// {"<sks>": 49408}; special are those that the other files call so.
void read_added_tokens(const Json& json, const std::string& where, SideFiles& side) {
  if (!json.is_object())
    throw Error(HN_DATA_LOSS, where + ": expected an object from tokens to ids");
  std::set<std::string> special;
  for (const auto& [key, role] : side.roles) special.insert(role.token.content);
  for (const SideFiles::Token& each : side.extra)
    if (each.names_special) special.insert(each.token.content);
  for (const auto& [content, id] : json.items()) {
    if (content.empty() || !id.is_number_unsigned() || id.get<std::uint64_t>() >= INT32_MAX)
      throw Error(HN_DATA_LOSS, where + ": token \"" + content +
                                    "\": expected an id from 0 on, got " + id.dump());
    AddedToken token{.id = id.get<std::int32_t>(), .content = content};
    token.special = special.contains(content);
    token.normalized = !token.special;
    side.declared.push_back({std::move(token), where});
  }
}

// Gives a token that the files declare to the roles and extras of the same content.
void share_flags(SideFiles& side) {
  for (const SideFiles::Token& declared : side.declared) {
    for (auto& [key, role] : side.roles)
      if (role.token.content == declared.token.content) role.token = declared.token;
    for (SideFiles::Token& each : side.extra)
      if (each.token.content == declared.token.content) each.token = declared.token;
  }
}

}  // namespace

SideFiles read_side_files(const fs::path& folder, const std::string& tag,
                          bool additional_are_special) {
  std::error_code ignored;
  const auto there = [&](const char* name) { return fs::exists(folder / name, ignored); };
  const auto where = [&](const char* name) { return tag + " " + (folder / name).string(); };
  SideFiles side;
  side.where = where("tokenizer_config.json");
  const Json* decoder = nullptr;
  Json config;
  if (there("tokenizer_config.json")) {
    config = read_json_file(folder / "tokenizer_config.json");
    read_config(config, side.where, side);
    const auto found = config.find("added_tokens_decoder");
    if (found != config.end() && !found->is_null()) decoder = &*found;
  }
  if (decoder != nullptr) {
    read_decoder(*decoder, side.where + ": added_tokens_decoder", side);
  } else {
    if (there("special_tokens_map.json")) {
      const Json map = read_json_file(folder / "special_tokens_map.json");
      JsonObject object(map, where("special_tokens_map.json"));
      const std::size_t known = side.extra.size();
      read_special_tokens(map, object, side);
      object.finish();
      const bool special = additional_are_special || map.contains("extra_special_tokens");
      for (std::size_t i = known; i < side.extra.size(); ++i) side.extra[i].names_special = special;
    }
    if (there("added_tokens.json"))
      read_added_tokens(read_json_file(folder / "added_tokens.json"), where("added_tokens.json"),
                        side);
  }
  std::stable_sort(
      side.declared.begin(), side.declared.end(),
      [](const SideFiles::Token& a, const SideFiles::Token& b) { return a.token.id < b.token.id; });
  share_flags(side);
  return side;
}

std::string SideFiles::role(const std::string& key, const std::string& otherwise) const {
  const auto found = roles.find(key);
  return found == roles.end() ? otherwise : found->second.token.content;
}

void SideFiles::require_class(std::initializer_list<const char*> known) const {
  std::string list;
  for (const char* name : known) {
    if (tokenizer_class.empty() || tokenizer_class == name) return;
    list += (list.empty() ? "" : " or ") + std::string(name);
  }
  throw Error(HN_UNSUPPORTED,
              where + ": tokenizer_class: expected " + list + ", got " + tokenizer_class);
}

}  // namespace hn
