#include "core/lora_config.hpp"

#include <algorithm>
#include <cmath>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/safetensors.hpp>
#include <set>
#include <stdexcept>
#include <vector>

#include "core/lora_config_keys.hpp"
#include "core/python_pattern.hpp"

namespace hn::core {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // the order of patterns counts

// A configuration and where it stands.
struct Found {
  Json config;
  std::string where;
};

Json parse_ordered(const std::string& text, const std::string& where) {
  if (!parse_json(text, where).is_object())  // strict: keys twice, depth, UTF-8
    throw Error(HN_DATA_LOSS, "[adapter] " + where + ": expected an object");
  return Json::parse(text);
}

// The metadata of one component, or of a model that was saved alone.
std::optional<Found> metadata(const fs::path& file) {
  if (!is_safetensors_file(file)) return std::nullopt;
  const SafetensorsFile opened = SafetensorsFile::open(file);
  const auto found = opened.metadata().find("lora_adapter_metadata");
  if (found == opened.metadata().end()) return std::nullopt;
  const std::string where = file.string() + ": lora_adapter_metadata";
  const Json all = parse_ordered(found->second, where);
  for (const std::string prefix : {"transformer.", "unet.", ""}) {
    Json own = Json::object();
    for (const auto& [key, value] : all.items())
      if (prefix.empty() ? key.find('.') == std::string::npos : key.starts_with(prefix))
        own[key.substr(prefix.size())] = value;
    if (!own.empty()) return Found{std::move(own), where};
  }
  return std::nullopt;
}

std::optional<Found> find_config(const fs::path& file) {
  const fs::path beside = file.parent_path() / "adapter_config.json";
  std::error_code ignored;
  if (file.stem() != "adapter_model" || !fs::exists(beside, ignored)) return metadata(file);
  static_cast<void>(read_json_file(beside));  // names what is no JSON at all
  return Found{parse_ordered(read_whole_file(beside), beside.string()), beside.string()};
}

bool ends_with_path(std::string_view layer, std::string_view path) {
  return layer == path || (layer.size() > path.size() && layer.ends_with(path) &&
                           layer[layer.size() - path.size() - 1] == '.');
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('.', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// target_modules, exclude_modules: a list of paths and their ends, or one expression.
struct Modules {
  std::vector<std::string> paths;
  std::optional<PythonPattern> pattern;
  bool all = false;  // nothing is said, or "all-linear", or not to be checked

  bool name(const std::string& layer) const {
    if (all) return true;
    if (pattern) return pattern->matches(layer);
    return std::any_of(paths.begin(), paths.end(),
                       [&](const std::string& path) { return ends_with_path(layer, path); });
  }
};

}  // namespace

struct LoraConfig::State {
  struct Pattern {
    PythonPattern match;
    double value;
  };
  std::optional<double> alpha;
  std::optional<std::int64_t> r;
  bool rslora = false;
  std::vector<Pattern> alphas, ranks;
  Modules targets, excluded;
  std::optional<std::set<std::int64_t>> numbers;  // layers_to_transform
  std::vector<std::string> stacks;                // layers_pattern; empty: any
  std::string note;

  // layers_to_transform: the first part that is a number, behind the name of a stack.
  bool has_number(const std::string& layer) const {
    const std::vector<std::string> parts = parts_of(layer);
    const auto number_behind = [&](const std::string& stack) -> std::optional<std::int64_t> {
      for (std::size_t i = stack.empty() ? 2 : 1; i + 1 < parts.size(); ++i) {
        const bool number = !parts[i].empty() && parts[i].size() < 10 &&
                            parts[i].find_first_not_of("0123456789") == std::string::npos;
        if (number && (stack.empty() || parts[i - 1] == stack)) return std::stoll(parts[i]);
      }
      return std::nullopt;
    };
    for (const std::string& stack : stacks.empty() ? std::vector<std::string>{""} : stacks)
      if (const auto number = number_behind(stack)) return numbers->contains(*number);
    return false;
  }
};

namespace {

PythonPattern compiled(const std::string& text, const std::string& where, const std::string& key) {
  try {
    return PythonPattern(text);
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    const bool broken = what.starts_with("no regular expression");
    throw Error(broken ? HN_DATA_LOSS : HN_UNSUPPORTED,
                "[adapter] " + where + ": " + key + ": expected regular expressions" +
                    (broken ? "" : " that can be read here") + ", got \"" + text.substr(0, 200) +
                    "\" with " + what +
                    (broken ? "" : "; name the layers one by one, each with its value"));
  }
}

template <typename Pattern>
std::vector<Pattern> read_patterns(const Json& config, const std::string& where, const char* key,
                                   bool ranks) {
  std::vector<Pattern> patterns;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return patterns;
  if (!found->is_object())
    throw Error(HN_DATA_LOSS, "[adapter] " + where + ": " + key + ": expected an object, got " +
                                  short_text(*found));
  for (const auto& [text, value] : found->items()) {
    const bool good =
        ranks ? value.is_number_integer() && value.template get<double>() > 0 : value.is_number();
    if (!good)
      throw Error(HN_DATA_LOSS,
                  "[adapter] " + where + ": " + key + ": \"" + text + "\": expected " +
                      (ranks ? "whole numbers above 0" : "numbers") + ", got " + short_text(value));
    patterns.push_back({compiled(text, where, key), value.template get<double>()});
  }
  return patterns;
}

// A text or texts; nothing where the key is missing or null.
std::optional<std::vector<std::string>> read_texts(const Json& config, const std::string& where,
                                                   const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return std::vector{found->get<std::string>()};
  bool good = found->is_array();
  std::vector<std::string> texts;
  for (std::size_t i = 0; good && i < found->size(); ++i) {
    good = (*found)[i].is_string();
    if (good) texts.push_back((*found)[i].get<std::string>());
  }
  if (!good)
    throw Error(HN_DATA_LOSS, "[adapter] " + where + ": " + key +
                                  ": expected a text or a list of texts, got " +
                                  short_text(*found));
  return texts;
}

Modules read_modules(const Json& config, const std::string& where, const char* key,
                     std::string& note) {
  Modules modules;
  const auto texts = read_texts(config, where, key);
  const bool one = texts && config.at(key).is_string();
  if (!texts || (one && texts->front() == "all-linear")) {
    modules.all = true;
  } else if (!one) {
    modules.paths = *texts;
  } else {
    try {
      modules.pattern = PythonPattern(texts->front());
    } catch (const std::invalid_argument& error) {
      note += std::string(note.empty() ? "" : "; ") + key +
              " was not compared with the file: " + error.what();
      modules.all = true;
    }
  }
  return modules;
}

std::optional<double> read_number(const Json& config, const std::string& where, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (!found->is_number())
    throw Error(HN_DATA_LOSS, "[adapter] " + where + ": " + key + ": expected a number, got " +
                                  short_text(*found));
  return found->get<double>();
}

}  // namespace

double LoraConfig::alpha(const std::string& layer, std::int64_t rank) const {
  if (!found()) return static_cast<double>(rank);
  double alpha = state_->alpha.value_or(static_cast<double>(rank));
  for (const State::Pattern& pattern : state_->alphas) {
    if (!pattern.match.matches_end_of(layer)) continue;
    alpha = pattern.value;
    break;
  }
  return state_->rslora ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
}

std::optional<std::int64_t> LoraConfig::rank(const std::string& layer) const {
  if (!found()) return std::nullopt;
  for (const State::Pattern& pattern : state_->ranks)
    if (pattern.match.matches_end_of(layer)) return static_cast<std::int64_t>(pattern.value);
  return state_->r;
}

std::optional<std::string> LoraConfig::left_out(const std::string& layer) const {
  if (!found()) return std::nullopt;
  if (!state_->excluded.all && state_->excluded.name(layer)) return "exclude_modules names it";
  if (!state_->targets.name(layer)) return "target_modules does not name it";
  if (state_->numbers && !state_->has_number(layer)) return "layers_to_transform leaves it out";
  return std::nullopt;
}

const std::string& LoraConfig::note() const {
  static const std::string kNone;
  return found() ? state_->note : kNone;
}

LoraConfig read_lora_config(const fs::path& file) {
  LoraConfig result;
  const std::optional<Found> found = find_config(file);
  if (!found) return result;
  const Json& config = found->config;
  const std::string& where = result.where_ = found->where;
  check_lora_keys(config, where);

  auto state = std::make_shared<LoraConfig::State>();
  state->alpha = read_number(config, where, "lora_alpha");
  if (!state->alpha)
    throw Error(HN_DATA_LOSS, "[adapter] " + where + ": expected the key \"lora_alpha\"");
  if (const auto r = read_number(config, where, "r")) {
    if (*r < 1 || *r > 1e6 || *r != std::floor(*r))
      throw Error(HN_DATA_LOSS, "[adapter] " + where + ": r: expected a whole number above 0");
    state->r = static_cast<std::int64_t>(*r);
  }
  if (const auto rslora = config.find("use_rslora"); rslora != config.end() && !rslora->is_null()) {
    if (!rslora->is_boolean())
      throw Error(HN_DATA_LOSS, "[adapter] " + where +
                                    ": use_rslora: expected true or false, got " +
                                    short_text(*rslora));
    state->rslora = rslora->get<bool>();
  }
  state->alphas = read_patterns<LoraConfig::State::Pattern>(config, where, "alpha_pattern", false);
  state->ranks = read_patterns<LoraConfig::State::Pattern>(config, where, "rank_pattern", true);
  state->targets = read_modules(config, where, "target_modules", state->note);
  state->excluded = read_modules(config, where, "exclude_modules", state->note);
  if (const auto numbers = config.find("layers_to_transform");
      numbers != config.end() && !numbers->is_null()) {
    const Json list = numbers->is_array() ? *numbers : Json::array({*numbers});
    state->numbers.emplace();
    for (const Json& number : list) {
      if (!number.is_number_integer())
        throw Error(HN_DATA_LOSS, "[adapter] " + where +
                                      ": layers_to_transform: expected whole numbers, got " +
                                      short_text(number));
      state->numbers->insert(number.get<std::int64_t>());
    }
    if (state->numbers->empty()) state->numbers.reset();
  }
  for (const std::string& stack :
       read_texts(config, where, "layers_pattern").value_or(std::vector<std::string>{})) {
    if (stack.find_first_of(".\\[](){}*+?|^$") != std::string::npos)
      throw Error(HN_UNSUPPORTED, "[adapter] " + where +
                                      ": layers_pattern: expected names of module "
                                      "lists, got \"" +
                                      stack.substr(0, 200) + "\"");
    if (!stack.empty()) state->stacks.push_back(stack);
  }
  result.state_ = std::move(state);
  return result;
}

}  // namespace hn::core
