#include "core/lora_alpha.hpp"

#include <cmath>
#include <hn/cpp/error.hpp>
#include <regex>

#include "json/json_file.hpp"
#include "safetensors/safetensors.hpp"

namespace hn::core {
namespace {

namespace fs = std::filesystem;

void refuse(const std::string& where, const std::string& what) {
  throw Error(HN_UNSUPPORTED, "[adapter] " + where + ": " + what + " is not supported");
}

// A configuration, and the text that it is a part of: the order of its patterns counts, and only
// the text has it.
struct Found {
  nlohmann::json config;
  std::string text, prefix;
};

// diffusers' metadata as the configuration of one component.
std::optional<Found> component_metadata(const fs::path& file) {
  if (file.extension() != ".safetensors") return std::nullopt;
  const SafetensorsFile opened = SafetensorsFile::open(file);
  const auto found = opened.metadata().find("lora_adapter_metadata");
  if (found == opened.metadata().end()) return std::nullopt;
  const nlohmann::json all = parse_json(found->second, file.string() + ": lora_adapter_metadata");
  for (const std::string prefix : {"transformer.", "unet."}) {
    nlohmann::json own = nlohmann::json::object();
    for (const auto& [key, value] : all.items())
      if (key.starts_with(prefix)) own[key.substr(prefix.size())] = value;
    if (!own.empty()) return Found{std::move(own), found->second, prefix};
  }
  return std::nullopt;
}

}  // namespace

double LoraAlphas::of(const std::string& layer, std::int64_t rank) const {
  double alpha = alpha_.value_or(static_cast<double>(rank));
  // peft's get_pattern_key: the pattern is the layer's whole path or its end.
  for (const auto& [pattern, value] : patterns_) {
    if (!std::regex_match(layer, std::regex("(.*\\.)?(" + pattern + ")"))) continue;
    alpha = value;
    break;
  }
  return rslora_ ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
}

LoraAlphas read_lora_alphas(const fs::path& file) {
  LoraAlphas alphas;
  const fs::path config = file.parent_path() / "adapter_config.json";
  std::error_code ignored;
  std::optional<Found> found;
  std::string where = config.string();
  if (file.stem() == "adapter_model" && fs::exists(config, ignored)) {
    std::string text = read_whole_file(config);
    nlohmann::json json = parse_json(text, config.string());
    found = Found{std::move(json), std::move(text), ""};
  } else {
    found = component_metadata(file);
    where = file.string() + ": lora_adapter_metadata";
  }
  if (!found) return alphas;
  JsonObject object(found->config, where);
  const auto type = object.get_or<std::string>("peft_type", "LORA");
  if (type != "LORA") refuse(where, "peft_type " + type);
  if (object.get_or<bool>("use_dora", false)) refuse(where, "use_dora");
  if (object.get_or<bool>("fan_in_fan_out", false)) refuse(where, "fan_in_fan_out");
  const nlohmann::json* saved = object.optional_member("modules_to_save");
  if (saved != nullptr && !saved->empty()) refuse(where, "modules_to_save");
  alphas.alpha_ = object.get<double>("lora_alpha");
  alphas.rslora_ = object.get_or<bool>("use_rslora", false);
  if (object.has("alpha_pattern")) {
    static_cast<void>(object.object("alpha_pattern"));  // refuses what is no object
    const auto ordered = nlohmann::ordered_json::parse(found->text);
    for (const auto& [pattern, value] : ordered.at(found->prefix + "alpha_pattern").items()) {
      if (!value.is_number()) object.fail("alpha_pattern", "numbers");
      try {
        static_cast<void>(std::regex(pattern));
      } catch (const std::regex_error&) {
        object.fail("alpha_pattern", "regular expressions");
      }
      alphas.patterns_.emplace_back(pattern, value.get<double>());
    }
  }
  return alphas;
}

}  // namespace hn::core
