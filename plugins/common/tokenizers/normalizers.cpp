// Source: tokenizers 0.23, normalizers/*.rs.
#include <hn/cpp/error.hpp>

#include "json/json_file.hpp"
#include "tokenizers/byte_level.hpp"
#include "tokenizers/tokenizer_parts.hpp"
#include "tokenizers/unicode.hpp"

namespace hn {
namespace {

constexpr const char* kKnown =
    "Sequence, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Strip, StripAccents, ByteLevel";

Normalizer sequence(JsonObject& object) {
  const nlohmann::json& list = object.member("normalizers");
  if (!list.is_array()) object.fail("normalizers", "an array");
  std::vector<Normalizer> steps;
  for (std::size_t i = 0; i < list.size(); ++i)
    steps.push_back(
        read_normalizer(list[i], object.where() + ": normalizers " + std::to_string(i)));
  return [steps](std::string_view text) {
    std::string result(text);
    for (const Normalizer& step : steps) result = step(result);
    return result;
  };
}

Normalizer replace(JsonObject& object) {
  const auto cut = read_pattern(object.member("pattern"), object.where() + ": pattern");
  const auto content = object.get<std::string>("content");
  return [cut, content](std::string_view text) {
    std::string result;
    for (const text::Part& part : cut(text))
      result +=
          part.is_match ? content : std::string(text.substr(part.begin, part.end - part.begin));
    return result;
  };
}

Normalizer strip(JsonObject& object) {
  const bool left = object.get<bool>("strip_left");
  const bool right = object.get<bool>("strip_right");
  return [left, right](std::string_view text) {
    std::size_t begin = left ? text.size() : 0;
    std::size_t end = right ? 0 : text.size();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t here = at;
      if (text::is_space(text::next_code_point(text, at))) continue;
      if (left) begin = std::min(begin, here);
      if (right) end = at;
    }
    return begin < end ? std::string(text.substr(begin, end - begin)) : std::string();
  };
}

std::string strip_accents(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (!text::is_mark(c)) text::append_code_point(result, c);
  }
  return result;
}

Normalizer normal_form(text::NormalForm form) {
  return [form](std::string_view text) { return text::normalize(text, form); };
}

Normalizer by_type(const std::string& type, JsonObject& object) {
  if (type == "Sequence") return sequence(object);
  if (type == "Replace") return replace(object);
  if (type == "NFC") return normal_form(text::NormalForm::kNfc);
  if (type == "NFD") return normal_form(text::NormalForm::kNfd);
  if (type == "NFKC") return normal_form(text::NormalForm::kNfkc);
  if (type == "NFKD") return normal_form(text::NormalForm::kNfkd);
  if (type == "Lowercase") return text::lowercase_letters;
  if (type == "Strip") return strip(object);
  if (type == "StripAccents") return strip_accents;
  if (type == "ByteLevel") return text::to_byte_characters;
  if (type == "Prepend") {
    const auto prefix = object.get<std::string>("prepend");
    return [prefix](std::string_view text) {
      return text.empty() ? std::string() : prefix + std::string(text);
    };
  }
  refuse_type(object.where(), type, kKnown);
}

}  // namespace

Normalizer read_normalizer(const nlohmann::json& json, const std::string& where) {
  JsonObject object(json, where);
  const auto type = object.get<std::string>("type");
  Normalizer normalizer = by_type(type, object);
  object.finish();
  return normalizer;
}

}  // namespace hn
