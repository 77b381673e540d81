#include <hn/formats/model_config.hpp>

#include <hn/cpp/error.hpp>

namespace hn {

ModelConfig::ModelConfig(const std::filesystem::path& file, const std::string& model,
                         const std::string& class_name)
    : json_(read_json_file(file)), object(json_, "[" + model + "] " + file.string()) {
  const auto got = object.get_or<std::string>("_class_name", class_name);
  if (got != class_name) refuse("_class_name", class_name, got);
  object.ignore({"_diffusers_version", "_name_or_path"});
}

void ModelConfig::refuse(const std::string& key, const std::string& expected,
                         const std::string& got) const {
  throw Error(HN_UNSUPPORTED,
              object.where() + ": " + key + ": expected " + expected + ", got " + got);
}

void ModelConfig::require(bool condition, const std::string& text) const {
  if (!condition) throw Error(HN_DATA_LOSS, object.where() + ": " + text);
}

void ModelConfig::only(const std::string& key, const nlohmann::json& only) {
  const nlohmann::json* value = object.optional_member(key);
  if (value != nullptr && *value != only) refuse(key, only.dump(), value->dump());
}

bool ModelConfig::is_null(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && found->is_null();
}

std::vector<std::int64_t> ModelConfig::per_stage(const std::string& key, std::int64_t otherwise,
                                                 std::size_t n) {
  const nlohmann::json* value = object.optional_member(key);
  if (value == nullptr || value->is_number())
    return std::vector<std::int64_t>(n, object.get_or<std::int64_t>(key, otherwise));
  auto list = object.get<std::vector<std::int64_t>>(key);
  require(list.size() == n, key + ": expected one number, or " + std::to_string(n) +
                                " of them, got " + std::to_string(list.size()));
  return list;
}

}  // namespace hn
