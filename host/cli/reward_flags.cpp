#include "reward_flags.hpp"

#include <algorithm>
#include <array>

#include "numbers.hpp"

namespace hn::cli {
namespace {

constexpr std::int64_t kMonitorEvery = 10;  // steps

// Noise Hypernetworks (arXiv 2508.09968), its code at bbe3ab4: the weights of the published runs.
// Each reward's loss form comes from its manifest.
constexpr std::array<std::pair<const char*, const char*>, 4> kPaper = {
    {{"hps", "5.0"}, {"imagereward", "1.0"}, {"pickscore", "0.05"}, {"clip-h14", "0.01"}}};

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(mark, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

[[noreturn]] void refuse(const std::string& text) { throw UsageError(HN_INVALID_ARGUMENT, text); }

// One [[reward]] as an inline table, key by key.
using Table = std::map<std::string, std::string>;

std::string inline_table(const Table& table, const Table& options) {
  std::string out;
  for (const auto& [key, value] : table) out += (out.empty() ? "{" : ", ") + key + " = " + value;
  if (!options.empty()) {
    out += ", options = {";
    bool first = true;
    for (const auto& [key, value] : options) {
      out += (first ? "" : ", ") + toml_text(key) + " = " + value;
      first = false;
    }
    out += "}";
  }
  return out + "}";
}

struct Entry {
  std::string name;
  Table table, options;
};

Entry& find(std::vector<Entry>& entries, const std::string& name, const std::string& flag) {
  for (Entry& entry : entries)
    if (entry.name == name) return entry;
  std::string known;
  for (const Entry& entry : entries) known += (known.empty() ? "" : ", ") + entry.name;
  refuse("[" + flag + "] no --reward or --monitor '" + name + "'; there are: " + known);
}

// "hps.every=4": every, batch, resize, weight and weights are keys of the reward's table, the rest
// are options of the plugin.
void add_option(std::vector<Entry>& entries, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.substr(0, equals).find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot == 0)
    refuse("[--reward-option] expected NAME.KEY=VALUE, such as hps.every=4, got '" + text + "'");
  Entry& entry = find(entries, text.substr(0, dot), "--reward-option");
  const std::string key = text.substr(dot + 1, equals - dot - 1);
  const std::string given = text.substr(equals + 1);
  const std::string where = "--reward-option " + text.substr(0, equals);
  if (key == "every" || key == "batch" || key == "resize") {
    const Range range = {0, key == "every"   ? kSteps.most
                            : key == "batch" ? kBatches.most
                                             : std::int64_t{16384}};
    entry.table[key] = std::to_string(parse_integer(given, range, where));
  } else if (key == "weight") {
    entry.table[key] = toml_number(given, where);
  } else {
    (key == "weights" ? entry.table : entry.options)[key] = toml_value(given);
  }
}

// "judge=0.3", "judge=0.3,lower", "judge=drop:0.05,lower".
std::string guard_table(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::vector<std::string> parts = equals == std::string::npos
                                             ? std::vector<std::string>()
                                             : split(text.substr(equals + 1), ',');
  const bool good = !parts.empty() && parts.size() <= 2 && equals > 0;
  if (!good || (parts.size() == 2 && parts[1] != "stop" && parts[1] != "lower"))
    refuse(
        "[--guard] expected NAME=BOUND or NAME=drop:AMOUNT, then perhaps ,stop or ,lower, got '" +
        text + "'");
  const bool drop = parts[0].starts_with("drop:");
  Table table = {{"reward", toml_text(text.substr(0, equals))},
                 {drop ? "drop" : "bound",
                  toml_number(drop ? parts[0].substr(5) : parts[0], "--guard " + text)}};
  if (parts.size() == 2) table["policy"] = toml_text(parts[1]);
  return inline_table(table, {});
}

}  // namespace

WeightFolders parse_weights(const std::vector<std::string>& flags) {
  WeightFolders folders;
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    // A path may hold a '=', a reward's name holds no '/'.
    if (equals == std::string::npos || flag.find('/') < equals) {
      if (!folders.generator.empty())
        refuse("[--weights] the generator's weights are given twice: " + folders.generator +
               " and " + flag + "; a reward's are NAME=DIR");
      folders.generator = flag;
    } else if (!folders.rewards.emplace(flag.substr(0, equals), flag.substr(equals + 1)).second) {
      refuse("[--weights] " + flag.substr(0, equals) + " is given twice");
    }
  }
  return folders;
}

std::vector<NamedWeight> parse_rewards(const std::vector<std::string>& flags) {
  std::vector<NamedWeight> rewards;
  const auto add = [&](NamedWeight reward) {
    const auto same = [&](const NamedWeight& other) { return other.name == reward.name; };
    if (std::any_of(rewards.begin(), rewards.end(), same))
      refuse("[--reward] " + reward.name + " is given twice");
    rewards.push_back(std::move(reward));
  };
  for (const std::string& flag : flags)
    for (const std::string& part : split(flag, ',')) {
      if (part == "paper") {
        for (const auto& [name, weight] : kPaper) add({name, weight});
      } else {
        add(parse_reward(part));
      }
    }
  return rewards;
}

void RewardFlags::add_to(CLI::App& verb) {
  verb.add_option("--reward", rewards,
                  "Rewards: repeat, or several with commas; \"paper\" is HPSv2.1 5, ImageReward 1, "
                  "PickScore 0.05, CLIP 0.01")
      ->type_name("NAME[=WEIGHT],...")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option(
          "--reward-option", options,
          "every, batch, resize, weights or an option of a reward, such as hps.every=4; repeat")
      ->type_name("NAME.KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

void RewardFlags::add_training_to(CLI::App& verb) {
  verb.add_option("--monitor", monitors,
                  "A reward that is never trained on, measured every so many steps [10]; repeat")
      ->type_name("NAME[=STEPS]")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--guard", guards,
                  "Stop (or lower the rewards' weights) when a monitor gets worse than a bound, or "
                  "by an amount; repeat")
      ->type_name("NAME=BOUND|drop:AMOUNT[,stop|lower]")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_flag("--reward-normalise", normalise,
                "Scores less their running mean, over their running deviation");
}

void RewardFlags::lay(Overlay& overlay, const WeightFolders& weights, bool trained) const {
  std::vector<Entry> entries;
  for (const NamedWeight& reward : parse_rewards(rewards)) {
    Entry entry{reward.name, {{"name", toml_text(reward.name)}}, {}};
    if (!reward.weight.empty()) entry.table["weight"] = reward.weight;
    if (!trained) entry.table["train"] = "false";
    entries.push_back(std::move(entry));
  }
  for (const std::string& monitor : monitors) {
    const std::size_t equals = monitor.rfind('=');
    const std::string name = monitor.substr(0, equals);
    if (name.empty()) refuse("[--monitor] expected NAME or NAME=STEPS, got '" + monitor + "'");
    const std::string every =
        std::to_string(equals == std::string::npos ? kMonitorEvery
                                                   : parse_integer(monitor.substr(equals + 1),
                                                                   kSteps, "--monitor " + name));
    for (const Entry& entry : entries)
      if (entry.name == name) refuse("[--monitor] " + name + " is trained on, or given twice");
    entries.push_back(
        {name, {{"name", toml_text(name)}, {"train", "false"}, {"every", every}}, {}});
  }
  for (const auto& [name, folder] : weights.rewards)
    find(entries, name, "--weights").table["weights"] = toml_text(folder);
  for (const std::string& option : options) add_option(entries, option);
  const auto list_of = [](const auto& items, const auto& text) {
    std::string list;
    for (const auto& item : items) list += (list.empty() ? "[" : ", ") + text(item);
    return list + "]";
  };
  if (!entries.empty())
    overlay.set("reward", list_of(entries, [](const Entry& entry) {
                  return inline_table(entry.table, entry.options);
                }));
  if (!guards.empty()) overlay.set("guard", list_of(guards, &guard_table));
  if (normalise) overlay.set("train.reward_normalise", "true");
}

std::string RewardFlags::label() const {
  std::string label;
  for (const std::string& flag : rewards)
    for (const std::string& part : split(flag, ',')) {
      if (!label.empty()) label += '-';
      label += parse_reward(part).name;
    }
  return label;
}

}  // namespace hn::cli
