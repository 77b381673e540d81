#include <hn/cpp/error.hpp>
#include <hn/formats/model_config.hpp>

namespace hn {

ModelConfig::ModelConfig(const std::filesystem::path& file, const std::string& model,
                         const std::string& class_name)
    : json_(read_json_file(file)), object(json_, "[" + model + "] " + file.string()) {
  const auto got = object.get_or<std::string>("_class_name", class_name);
  if (got != class_name) refuse("_class_name", class_name, got);
  object.ignore({"_diffusers_version", "_name_or_path"});
}

std::string ModelConfig::choice(const std::string& key, const std::string& otherwise,
                                const std::vector<std::string>& known) {
  auto got = object.get_or<std::string>(key, otherwise);
  check_choice(key, got, known);
  return got;
}

void ModelConfig::check_choice(const std::string& key, const std::string& got,
                               const std::vector<std::string>& known) const {
  std::string list;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (got == known[i]) return;
    list += (i == 0 ? "" : i + 1 == known.size() ? " or " : ", ") + known[i];
  }
  refuse(key, list, got);
}

void ModelConfig::refuse(const std::string& key, const std::string& expected,
                         const std::string& got) const {
  throw Error(HN_UNSUPPORTED,
              object.where() + ": " + key + ": expected " + expected + ", got " + got);
}

void ModelConfig::require(bool condition, const std::string& text) const {
  if (!condition) throw Error(HN_DATA_LOSS, object.where() + ": " + text);
}

std::int64_t ModelConfig::train_timesteps() {
  const auto steps = object.get_or<std::int64_t>("num_train_timesteps", 1000);
  require(steps >= 1 && steps <= 100'000,
          "num_train_timesteps: expected 1 to 100000, got " + std::to_string(steps));
  return steps;
}

void ModelConfig::require_out_channels(std::int64_t in_channels, std::int64_t otherwise) {
  const auto out = object.get_or<std::int64_t>("out_channels", otherwise);
  require(out == in_channels, "expected out_channels equal to in_channels (" +
                                  std::to_string(in_channels) + "), got " + std::to_string(out));
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
