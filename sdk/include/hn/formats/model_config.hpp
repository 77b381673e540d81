// A config.json of the diffusers kind, opened and checked for its class, with the refusals that
// such readers share.
#pragma once

#include <filesystem>
#include <hn/formats/json_file.hpp>
#include <string>
#include <vector>

namespace hn {

class ModelConfig {
 public:
  // Reads `file`; messages begin with "[model] file". HN_NOT_FOUND and HN_DATA_LOSS as
  // read_json_file; HN_UNSUPPORTED where _class_name is there and another than `class_name`. The
  // keys that every such file carries are known from here on.
  ModelConfig(const std::filesystem::path& file, const std::string& model,
              const std::string& class_name);
  ModelConfig(const ModelConfig&) = delete;
  ModelConfig& operator=(const ModelConfig&) = delete;

  // The key's value; left as it is where the key is missing or null, so that a default is what the
  // member was made with.
  template <class T>
  void read(const std::string& key, T& value) {
    value = object.get_or<T>(key, value);
  }
  // The text of a key, or `otherwise`. HN_UNSUPPORTED lists what is
  // `known` for another.
  std::string choice(const std::string& key, const std::string& otherwise,
                     const std::vector<std::string>& known);
  void check_choice(const std::string& key, const std::string& got,
                    const std::vector<std::string>& known) const;
  // HN_UNSUPPORTED "FILE: KEY: expected EXPECTED, got GOT".
  [[noreturn]] void refuse(const std::string& key, const std::string& expected,
                           const std::string& got) const;
  // HN_DATA_LOSS "FILE: TEXT" unless `condition` holds.
  void require(bool condition, const std::string& text) const;
  // Reads out_channels, which have to be as many as the input's.
  void require_out_channels(std::int64_t in_channels, std::int64_t otherwise);
  // A scheduler's num_train_timesteps, 1000 where the key is missing. HN_DATA_LOSS unless 1 to
  // 100,000: a table that long is made at each load.
  std::int64_t train_timesteps();
  // A value that upstream has and this code does not: HN_UNSUPPORTED unless the key is missing,
  // null or equal to `only`.
  void only(const std::string& key, const nlohmann::json& only);
  // Whether the key is there with the value null, which some fields tell apart from a missing key.
  bool is_null(const std::string& key) const;
  // One number for all of n stages, or a list with one for each.
  std::vector<std::int64_t> per_stage(const std::string& key, std::int64_t otherwise,
                                      std::size_t n);

 private:
  nlohmann::json json_;

 public:
  JsonObject object;
};

}  // namespace hn
