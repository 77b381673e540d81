// JSON read strictly: duplicate keys, depth and size are checked, and every complaint names the
// file and the place. The configuration readers of the model plugins, the safetensors reader and
// the tokenizers share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <hn/formats/text.hpp>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

inline constexpr std::size_t kMaxJsonDepth = 64;
// Numbers, texts, objects, ...: a value of two bytes may cost a hundred in memory.
inline constexpr std::size_t kMaxJsonValues = std::size_t{1} << 23;  // Gemma's has 1.4 million

// Parses one JSON value. `where` starts every message, e.g. the file's path.
// Errors: HN_DATA_LOSS (syntax with byte position, not UTF-8, a zero byte, a key twice in one
// object, deeper than kMaxJsonDepth, more than kMaxJsonValues, number out of range).
nlohmann::json parse_json(std::string_view text, const std::string& where);
// The same with the keys in their order, for what is given back: an integer beyond 64 bits, which
// would come back rounded, is an error too.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& where);
// The members of one object, in the text's order, each forgotten after `member` has seen it: for
// texts too large to be held as values. max_values: of one member. Errors: as parse_json, and what
// `member` throws; a text that is no object has no members.
void parse_json_members(
    std::string_view text, const std::string& where, std::size_t max_values,
    const std::function<void(const std::string& key, const nlohmann::json& value)>& member);
// read_text, then parse_json. What is no JSON at all (a Git LFS pointer, a web page, a picture) is
// named.
nlohmann::json read_json_file(const std::filesystem::path& path);

// The up to three candidates nearest to `name` by edit distance, nearest first; none that differs
// in more than half of its letters.
std::vector<std::string> nearest_names(std::string_view name,
                                       std::span<const std::string> candidates);
// "; nearest: a, b" or "" where nothing is near. For messages.
std::string nearest_hint(std::string_view name, std::span<const std::string> candidates);

// One JSON object read key by key, so that a wrong type, a missing key and a key nobody asked for
// are all reported with their place.
//
//   JsonObject config(json, "[sana_sprint] /models/x/config.json");
//   const auto layers = config.get<std::int64_t>("num_layers");                // missing: error
//   const auto eps = config.get_or<double>("norm_eps", 1e-6);                  // missing or null:
//   1e-6 config.ignore({"_class_name", "_diffusers_version"}); config.finish(); // unknown keys:
//   error, nearest known name suggested
//
// Errors: HN_DATA_LOSS for all of them. Lifetime: borrows the json, which must outlive it.
class JsonObject {
 public:
  // Errors where `value` is not an object. `where` names the file and, for nested objects, the keys
  // down to here.
  JsonObject(const nlohmann::json& value, std::string where);

  bool has(const std::string& key) const;  // present and not null
  // T: bool, std::int32_t, std::int64_t, double, float, std::string, std::vector of these. An
  // integer is accepted as a float, never the other way round; numbers that do not fit are refused.
  template <typename T>
  T get(const std::string& key) {
    return convert<T>(member(key), key);
  }
  template <typename T>
  T get_or(const std::string& key, T otherwise) {
    const nlohmann::json* value = optional_member(key);
    return value == nullptr ? otherwise : convert<T>(*value, key);
  }
  // The raw value; marks the key as known.
  const nlohmann::json& member(const std::string& key);
  // nullptr where the key is missing or null; marks the key as known either way.
  const nlohmann::json* optional_member(const std::string& key);
  // A nested object.
  JsonObject object(const std::string& key);
  // Marks keys as known that have no meaning here.
  void ignore(std::initializer_list<const char*> keys);
  // Reports every key that no call above named.
  void finish() const;

  const std::string& where() const { return where_; }
  // Throws HN_DATA_LOSS "WHERE: KEY: expected EXPECTED, got VALUE".
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;

 private:
  template <typename T>
  T convert(const nlohmann::json& value, const std::string& key) const;

  const nlohmann::json* value_;
  std::string where_;
  std::vector<std::string> known_;
};

}  // namespace hn
