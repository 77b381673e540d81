// Options as the manifest describes them: the standard keys, and the check of a user's values.
#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "loader/manifest.hpp"
#include "support/cat.hpp"
#include "support/nearest.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

std::string message(const std::string& where, const std::string& key, const std::string& text) {
  return cat(where, where.empty() ? "" : " ", "option ", key, ": ", text);
}

[[noreturn]] void refuse(const std::string& where, const std::string& key,
                         const std::string& text) {
  throw Error(HN_INVALID_ARGUMENT, message(where, key, text));
}

// Whether the value has the option's type, after an integer was made a float where one is wanted.
bool fits(const std::string& type, core::OptionValue& value) {
  if (type == "float" && std::holds_alternative<std::int64_t>(value))
    value = static_cast<double>(std::get<std::int64_t>(value));
  if (type == "bool") return std::holds_alternative<bool>(value);
  if (type == "int") return std::holds_alternative<std::int64_t>(value);
  if (type == "float") return std::holds_alternative<double>(value);
  if (type == "str") return std::holds_alternative<std::string>(value);
  return std::holds_alternative<std::vector<std::string>>(value);
}

std::string wanted(const std::string& type) {
  if (type == "bool") return "true or false";
  if (type == "int") return "an integer";
  if (type == "float") return "a number";
  if (type == "str") return "text";
  return "a list of texts";
}

void check_bounds(const OptionSpec& option, double value, const std::string& where) {
  if (option.min && value < *option.min)
    refuse(where, option.key, cat("expected at least ", *option.min, ", got ", value));
  if (option.max && value > *option.max)
    refuse(where, option.key, cat("expected at most ", *option.max, ", got ", value));
}

std::vector<OptionSpec> make_standard_options() {
  const auto option = [](const char* key, const char* type, const char* help) {
    OptionSpec spec;
    spec.key = key;
    spec.type = type;
    spec.help = help;
    return spec;
  };
  std::vector<OptionSpec> options = {
      option("device", "str", "Where it computes: \"cpu\", \"cuda\", \"cuda:0\"."),
      option("dtype", "str", "Of the weights in memory."),
      option("weights", "str", "A folder or a file of weights."),
      option("width", "int", "Of the picture, in pixels."),
      option("height", "int", "Of the picture, in pixels."),
      option("steps", "int", "Of the generator."),
      option("preprocess", "str", "How a reward prepares the picture."),
  };
  options[1].choices = {"float32", "bfloat16", "float16"};
  for (OptionSpec& spec : options) {
    if (spec.type != "int") continue;
    spec.min = 1;
    spec.max = spec.key == "steps" ? 10'000 : 65'536;
  }
  return options;
}

}  // namespace

bool is_host_option(std::string_view key) {
  return key == "lora.rank" || key == "lora.alpha" || key == "lora.targets";
}

const std::vector<OptionSpec>& standard_options() {
  static const std::vector<OptionSpec> options = make_standard_options();
  return options;
}

const OptionSpec* find_option(const Manifest& manifest, std::string_view key) {
  for (const OptionSpec& option : manifest.options)
    if (option.key == key) return &option;
  for (const OptionSpec& option : standard_options())
    if (option.key == key) return &option;
  return nullptr;
}

void add_defaults(const Manifest& manifest, core::Options& options) {
  for (const OptionSpec& option : manifest.options)
    if (option.fallback) options.try_emplace(option.key, *option.fallback);
}

void check_options(const Manifest& manifest, core::Options& options, const std::string& where,
                   std::vector<std::string>* unknown) {
  for (auto& [key, value] : options) {
    if (is_host_option(key))
      refuse(where, key, "the host sets it; use [net] rank, alpha and targets");
    const OptionSpec* option = find_option(manifest, key);
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const OptionSpec& own : manifest.options) known.push_back(own.key);
      for (const OptionSpec& standard : standard_options()) known.push_back(standard.key);
      const std::string text = cat("unknown", manifest.name.empty() ? "" : " to ", manifest.name,
                                   suggestion(key, known));
      if (unknown == nullptr) refuse(where, key, text);
      unknown->push_back(message(where, key, text));
      continue;
    }
    const std::string_view got = option_type(value);
    if (!fits(option->type, value))
      refuse(where, key, cat("expected ", wanted(option->type), ", got ", got));
    std::vector<std::string> choices = option->choices;
    if (key == "preprocess" && choices.empty() && manifest.reward)
      choices = manifest.reward->preprocessing;
    if (const auto* text = std::get_if<std::string>(&value);
        text != nullptr && !choices.empty() &&
        std::find(choices.begin(), choices.end(), *text) == choices.end())
      refuse(where, key,
             cat("expected one of ", absl::StrJoin(choices, ", "), ", got '", *text, "'"));
    if (const auto* number = std::get_if<std::int64_t>(&value))
      check_bounds(*option, static_cast<double>(*number), where);
    if (const auto* number = std::get_if<double>(&value)) check_bounds(*option, *number, where);
  }
}

}  // namespace hn::host
