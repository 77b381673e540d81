#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <limits>
#include <optional>

namespace hn {
namespace {

using Json = nlohmann::json;

// A short text of a value for messages: whole where it is small, its type else.
std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array() && value.size() > 8) return "an array of " + std::to_string(value.size());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

template <typename T>
struct Kind;
template <>
struct Kind<bool> {
  static constexpr const char* kName = "true or false";
  static std::optional<bool> read(const Json& v) {
    return v.is_boolean() ? std::optional(v.get<bool>()) : std::nullopt;
  }
};
template <>
struct Kind<std::int64_t> {
  static constexpr const char* kName = "an integer";
  static std::optional<std::int64_t> read(const Json& v) {
    if (v.is_number_unsigned() &&
        v.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return std::nullopt;
    return v.is_number_integer() ? std::optional(v.get<std::int64_t>()) : std::nullopt;
  }
};
template <>
struct Kind<std::int32_t> {
  static constexpr const char* kName = "a 32-bit integer";
  static std::optional<std::int32_t> read(const Json& v) {
    const auto wide = Kind<std::int64_t>::read(v);
    if (!wide || *wide < std::numeric_limits<std::int32_t>::min() ||
        *wide > std::numeric_limits<std::int32_t>::max())
      return std::nullopt;
    return static_cast<std::int32_t>(*wide);
  }
};
template <>
struct Kind<double> {
  static constexpr const char* kName = "a number";
  static std::optional<double> read(const Json& v) {
    return v.is_number() ? std::optional(v.get<double>()) : std::nullopt;
  }
};
template <>
struct Kind<float> {
  static constexpr const char* kName = "a number";
  static std::optional<float> read(const Json& v) {
    if (!v.is_number()) return std::nullopt;
    const auto value = static_cast<float>(v.get<double>());
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
};
template <>
struct Kind<std::string> {
  static constexpr const char* kName = "a text";
  static std::optional<std::string> read(const Json& v) {
    return v.is_string() ? std::optional(v.get<std::string>()) : std::nullopt;
  }
};
template <typename T>
struct Kind<std::vector<T>> {
  static std::optional<std::vector<T>> read(const Json& v) {
    if (!v.is_array()) return std::nullopt;
    std::vector<T> items;
    for (const Json& item : v) {
      auto value = Kind<T>::read(item);
      if (!value) return std::nullopt;
      items.push_back(std::move(*value));
    }
    return items;
  }
};

template <typename T>
struct KindName {
  static std::string get() { return Kind<T>::kName; }
};
template <typename T>
struct KindName<std::vector<T>> {
  static std::string get() { return std::string("an array, each item ") + Kind<T>::kName; }
};

}  // namespace

JsonObject::JsonObject(const Json& value, std::string where)
    : value_(&value), where_(std::move(where)) {
  if (!value.is_object())
    throw Error(HN_DATA_LOSS, where_ + ": expected an object, got " + describe(value));
}

bool JsonObject::has(const std::string& key) const {
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

const Json* JsonObject::optional_member(const std::string& key) {
  known_.push_back(key);
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonObject::member(const std::string& key) {
  known_.push_back(key);
  const auto found = value_->find(key);
  if (found == value_->end())
    throw Error(HN_DATA_LOSS,
                where_ + ": expected the key \"" + key + "\", got an object without it");
  return *found;
}

JsonObject JsonObject::object(const std::string& key) {
  return JsonObject(member(key), where_ + ": " + key);
}

void JsonObject::ignore(std::initializer_list<const char*> keys) {
  known_.insert(known_.end(), keys.begin(), keys.end());
}

void JsonObject::finish() const {
  std::string unknown;
  for (const auto& [key, value] : value_->items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    unknown += (unknown.empty() ? "\"" : ", \"") + key + "\"" + nearest_hint(key, known_);
  }
  if (!unknown.empty())
    throw Error(HN_DATA_LOSS, where_ + ": expected known keys only, got " + unknown);
}

void JsonObject::fail(const std::string& key, const std::string& expected) const {
  const auto found = value_->find(key);
  throw Error(HN_DATA_LOSS, where_ + ": " + key + ": expected " + expected + ", got " +
                                (found == value_->end() ? "nothing" : describe(*found)));
}

template <typename T>
T JsonObject::convert(const Json& value, const std::string& key) const {
  auto result = Kind<T>::read(value);
  if (!result) fail(key, KindName<T>::get());
  return std::move(*result);
}

template bool JsonObject::convert(const Json&, const std::string&) const;
template std::int32_t JsonObject::convert(const Json&, const std::string&) const;
template std::int64_t JsonObject::convert(const Json&, const std::string&) const;
template float JsonObject::convert(const Json&, const std::string&) const;
template double JsonObject::convert(const Json&, const std::string&) const;
template std::string JsonObject::convert(const Json&, const std::string&) const;
template std::vector<bool> JsonObject::convert(const Json&, const std::string&) const;
template std::vector<std::int32_t> JsonObject::convert(const Json&, const std::string&) const;
template std::vector<std::int64_t> JsonObject::convert(const Json&, const std::string&) const;
template std::vector<float> JsonObject::convert(const Json&, const std::string&) const;
template std::vector<double> JsonObject::convert(const Json&, const std::string&) const;
template std::vector<std::string> JsonObject::convert(const Json&, const std::string&) const;

}  // namespace hn
