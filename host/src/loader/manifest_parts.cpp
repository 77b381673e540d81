#include "loader/manifest_parts.hpp"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "support/cat.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

bool lower_word(std::string_view text, std::string_view marks) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
  });
}

}  // namespace

void check_name(const TomlTable& table, const std::string& key, const std::string& name) {
  if (!lower_word(name, "-_.") || name[0] == '-' || name[0] == '.')
    table.fail(key, cat("expected lower-case letters, digits, '-', '_' and '.', got '", name, "'"));
}

std::string read_name(TomlTable& table, const std::string& key) {
  std::string name = table.need_str(key);
  check_name(table, key, name);
  return name;
}

std::vector<std::string> read_names(TomlTable& table, const std::string& key) {
  std::vector<std::string> names = table.find_list(key).value_or(std::vector<std::string>());
  for (const std::string& name : names) check_name(table, key, name);
  return names;
}

core::Options read_options(TomlTable& table, const Manifest& plugin) {
  core::Options options = table.find_options("options");
  std::vector<std::string> unknown;
  try {
    check_options(plugin, options, "options:", &unknown);
  } catch (const Error& e) {
    table.fail("options", e.what());
  }
  // The plugin gets them all the same: it may be newer than this hn and know better.
  for (const std::string& text : unknown) table.object("options", text);
  return options;
}

void check_word(const TomlTable& table, const std::string& key, const std::string& word,
                const std::vector<std::string>& known, const Manifest& plugin) {
  if (word.find('.') != std::string::npos) return;
  if (std::find(known.begin(), known.end(), word) != known.end()) return;
  const std::string& id = plugin.id;
  const std::string domain = id.substr(0, id.find('.', id.find('.') + 1));
  const std::vector<std::string> near = nearest(word, known, 1);
  table.object(
      key, cat("'", word, "' has no dot, and such words are hn's: expected \"", domain, ".", word,
               "\"", near.empty() ? "" : cat(", or is '", near[0], "' meant?")));
}

void check_inside(const TomlTable& table, const std::string& key, const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  if (path.empty() || normal.is_absolute() || *normal.begin() == "..")
    table.fail(key, cat("expected a relative path that stays inside, got '", path, "'"));
}

void check_sha256(const TomlTable& table, const std::string& key, const std::string& digits) {
  const bool good = digits.size() == 64 && std::all_of(digits.begin(), digits.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (!good) table.fail(key, cat("expected 64 lower-case hex digits, got '", digits, "'"));
}

RewardFacts read_reward(TomlTable table, const RewardFacts* base) {
  RewardFacts facts = base != nullptr ? *base : RewardFacts();
  if (auto value = table.find_f64("min")) facts.min = value;
  if (auto value = table.find_f64("max")) facts.max = value;
  if (facts.min && facts.max && *facts.min > *facts.max) table.fail("max", "expected min <= max");
  if (auto value = table.find_str("direction")) {
    if (*value != "higher" && *value != "lower")
      table.fail("direction", cat("expected \"higher\" or \"lower\", got '", *value, "'"));
    facts.higher_is_better = *value == "higher";
  } else if (base == nullptr) {
    table.need_str("direction");
  }
  if (base == nullptr) facts.loss_scale = facts.higher_is_better ? 1 : -1;
  facts.default_weight = table.find_f64("default_weight").value_or(facts.default_weight);
  if (auto loss = table.find_table("loss")) {
    facts.loss_target = loss->find_f64("target").value_or(facts.loss_target);
    facts.loss_scale = loss->find_f64("scale").value_or(facts.loss_scale);
    facts.loss_form = loss->find_str("form").value_or(facts.loss_form);
    loss->finish();
  }
  if (auto modes = table.find_list("preprocessing")) facts.preprocessing = *std::move(modes);
  facts.text_limit = table.find_i64("text_limit").value_or(facts.text_limit);
  if (facts.text_limit < 0) table.fail("text_limit", "expected 0 or more tokens");
  if (auto pitfalls = table.find_list("pitfalls")) {
    facts.pitfalls = *std::move(pitfalls);
    for (const std::string& line : facts.pitfalls)
      if (line.empty() || line.find('\n') != std::string::npos)
        table.fail("pitfalls", "expected texts of one line each");
  }
  table.finish();
  return facts;
}

OptionSpec read_option(TomlTable& table, const Manifest& plugin) {
  OptionSpec option;
  option.key = table.need_str("key");
  if (!lower_word(option.key, "._"))
    table.fail("key",
               cat("expected lower-case letters, digits, '_' and '.', got '", option.key, "'"));
  if (is_host_option(option.key))
    table.fail("key",
               cat(option.key, " belongs to the host; a plugin reads it without listing it"));
  if (!plugin.id.starts_with("hn.")) {
    std::vector<std::string> known;
    for (const OptionSpec& standard : standard_options()) known.push_back(standard.key);
    check_word(table, "key", option.key, known, plugin);
  }
  option.type = table.need_str("type");
  const std::vector<std::string> types = {"bool", "int", "float", "str", "list"};
  if (std::find(types.begin(), types.end(), option.type) == types.end())
    table.fail("type",
               cat("expected one of ", absl::StrJoin(types, ", "), ", got '", option.type, "'"));
  option.help = table.need_str("help");
  option.choices = table.find_list("choices").value_or(std::vector<std::string>());
  if (!option.choices.empty() && option.type != "str")
    table.fail("choices", cat("only a str has choices, this is of type ", option.type));
  option.min = table.find_f64("min");
  option.max = table.find_f64("max");
  if ((option.min || option.max) && option.type != "int" && option.type != "float")
    table.fail(option.min ? "min" : "max",
               cat("only int and float have bounds, this is of type ", option.type));
  if (table.has("default")) {
    // Checked as a user's value would be: against a manifest that holds this option alone.
    Manifest alone;
    alone.options.push_back(option);
    core::Options value{{option.key, *table.find_value("default")}};
    try {
      check_options(alone, value, "");
    } catch (const Error& e) {
      table.fail("default", e.what());
    }
    option.fallback = value.at(option.key);
  }
  table.finish();
  return option;
}

WeightFile read_weight_file(TomlTable& table) {
  WeightFile weight;
  weight.name = table.need_str("name");
  weight.model = table.find_str("model").value_or("");
  weight.file = table.need_str("file");
  check_inside(table, "file", weight.file);
  weight.repo = table.need_str("repo");
  weight.revision = table.find_str("revision").value_or("");
  weight.sha256 = table.find_str("sha256").value_or("");
  if (!weight.sha256.empty()) check_sha256(table, "sha256", weight.sha256);
  if (const auto bytes = table.find_i64("bytes")) {
    if (*bytes < 0) table.fail("bytes", "expected 0 or more");
    weight.bytes = static_cast<std::uint64_t>(*bytes);
  }
  weight.licence = table.find_str("licence").value_or("");
  table.finish();
  return weight;
}

ModelSpec read_model(TomlTable& table, const Manifest& plugin, const std::filesystem::path& folder,
                     bool confined) {
  ModelSpec model;
  model.name = read_name(table, "name");
  model.aliases = read_names(table, "aliases");
  model.summary = table.find_str("summary").value_or("");
  model.licence = table.find_str("licence").value_or("");
  const std::string weights = table.need_str("weights");
  model.weights_required = weights == "required";
  if (!model.weights_required) {
    if (confined) check_inside(table, "weights", weights);
    if (weights.empty()) table.fail("weights", "expected a path or \"required\", got ''");
    model.weights = (folder / weights).lexically_normal();
  }
  model.is_default = table.find_bool("default").value_or(false);
  model.options = read_options(table, plugin);
  if (model.options.contains("weights"))
    table.fail("options", "weights stand in the model's own key, not among its options");
  if (auto prompts = table.find_table("prompts")) {
    for (const std::string& name : prompts->keys()) {
      const std::string file = prompts->need_str(name);
      if (confined) check_inside(*prompts, name, file);
      model.prompts[name] = (folder / file).lexically_normal();
    }
  }
  model.reg_weight = table.find_f64("reg_weight");
  if (model.reg_weight && plugin.kind != PluginKind::kGenerator)
    table.fail("reg_weight", "only models of a generator have this key");
  if (model.reg_weight && *model.reg_weight < 0)
    table.fail("reg_weight", cat("expected 0 or more, got ", *model.reg_weight));
  if (plugin.kind == PluginKind::kReward) {
    model.reward = plugin.reward;
    if (auto changes = table.find_table("reward")) {
      changes->find_str("direction");
      if (changes->has("direction"))
        changes->fail("direction", "a model cannot change the direction of its plugin");
      model.reward = read_reward(*changes, plugin.reward ? &*plugin.reward : nullptr);
    }
  } else if (table.has("reward")) {
    table.fail("reward", "only models of a reward have this table");
  }
  table.finish();
  return model;
}

}  // namespace hn::host
