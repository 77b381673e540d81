// Source: tokenizers 0.23, processors/*.rs. Only ids matter here; type ids and offsets are dropped.
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <map>

#include "text/each_part.hpp"

namespace hn {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr const char* kKnown =
    "Sequence, TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel";

using Steps = std::vector<PostProcessor>;

// A token as ["<s>", 0]; the id is what counts.
std::int32_t read_token_pair(JsonObject& object, const char* key) {
  const nlohmann::json& pair = object.member(key);
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() ||
      !pair[1].is_number_unsigned() || pair[1].get<std::uint64_t>() >= INT32_MAX) {
    object.fail(key, "[token, id]");
  }
  return pair[1].get<std::int32_t>();
}

PostProcessor cls_and_sep(JsonObject& object) {
  const std::int32_t sep = read_token_pair(object, "sep");
  const std::int32_t cls = read_token_pair(object, "cls");
  object.ignore({"trim_offsets", "add_prefix_space"});
  return [cls, sep](const Ids& ids) {
    Ids result = {cls};
    result.insert(result.end(), ids.begin(), ids.end());
    result.push_back(sep);
    return result;
  };
}

std::map<std::string, Ids> read_special_tokens(JsonObject& object) {
  const nlohmann::json& json = object.member("special_tokens");
  if (!json.is_object()) object.fail("special_tokens", "an object");
  std::map<std::string, Ids> tokens;
  for (const auto& [name, value] : json.items()) {
    JsonObject token(value, object.where() + ": special_tokens: " + name);
    token.ignore({"id", "tokens"});
    tokens[name] = token.get<Ids>("ids");
    for (const std::int32_t id : tokens[name]) {
      if (id < 0) token.fail("ids", "ids from 0 on");
    }
    token.finish();
  }
  return tokens;
}

PostProcessor from_template(JsonObject& object) {
  const std::map<std::string, Ids> special = read_special_tokens(object);
  const nlohmann::json& single = object.member("single");
  object.ignore({"pair"});
  if (!single.is_array()) object.fail("single", "an array");
  // Empty stands for the text.
  std::vector<Ids> items;
  for (std::size_t i = 0; i < single.size(); ++i) {
    JsonObject item(single[i], object.where() + ": single " + std::to_string(i));
    if (item.has("Sequence")) {
      JsonObject part = item.object("Sequence");
      if (part.get<std::string>("id") != "A") part.fail("id", "A, the only text that there is");
      items.emplace_back();
    } else {
      JsonObject part = item.object("SpecialToken");
      const auto found = special.find(part.get<std::string>("id"));
      if (found == special.end() || found->second.empty())
        part.fail("id", "a token that special_tokens lists with its ids");
      items.push_back(found->second);
    }
    item.finish();
  }
  return [items, where = object.where()](const Ids& ids) {
    const std::size_t most = most_ids(ids.size());
    Ids result;
    for (const Ids& item : items) {
      const Ids& source = item.empty() ? ids : item;
      if (source.size() > most || result.size() > most - source.size())
        refuse_growth(where, most, "ids");
      result.insert(result.end(), source.begin(), source.end());
    }
    return result;
  };
}

PostProcessor by_type(const std::string& type, JsonObject& object) {
  if (type == "TemplateProcessing") return from_template(object);
  if (type == "RobertaProcessing" || type == "BertProcessing") return cls_and_sep(object);
  if (type == "ByteLevel") {
    object.ignore({"add_prefix_space", "trim_offsets", "use_regex"});
    return [](Ids ids) { return ids; };
  }
  refuse_type(object.where(), type, kKnown);
}

}  // namespace

PostProcessor read_post_processor(const nlohmann::json& json, const std::string& where) {
  Steps steps;
  std::size_t count = 0;
  const auto add = [&](const std::string& type, JsonObject& object, const std::string&) {
    steps.push_back(by_type(type, object));
  };
  text::each_part(json, where, "processors", "post-processors", count, add);
  return [steps, where](Ids ids) {
    const std::size_t most = most_ids(ids.size());
    for (const PostProcessor& step : steps) {
      ids = step(std::move(ids));
      if (ids.size() > most) refuse_growth(where, most, "ids");
    }
    return ids;
  };
}

}  // namespace hn
