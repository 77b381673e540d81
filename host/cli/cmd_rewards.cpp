// hnhost rewards: the catalogue of rewards, with what they cost on this machine.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "reward_flags.hpp"
#include "rewards_page.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> names, weights;
  std::optional<std::int64_t> size, threads;
  std::optional<double> seconds;
  bool measure = false, markdown = false;
};

std::string request_text(const Options& o) {
  std::string text;
  if (!o.names.empty()) text += "rewards = " + toml_list(o.names) + "\n";
  if (o.size) text += "size = " + std::to_string(*o.size) + "\n";
  if (o.threads) text += "threads = " + std::to_string(*o.threads) + "\n";
  if (o.seconds) text += "seconds = " + json(*o.seconds).dump() + "\n";
  const WeightFolders folders = parse_weights(o.weights);
  if (!folders.generator.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[rewards] expected --weights NAME=DIR, got " + folders.generator);
  if (!folders.rewards.empty()) text += "[weights]\n";
  for (const auto& [name, folder] : folders.rewards)
    text += toml_text(name) + " = " + toml_text(folder) + "\n";
  return text;
}

// Names that were asked for; all where none was.
json chosen(const json& catalogue, const std::vector<std::string>& names) {
  if (names.empty()) return catalogue;
  json out = catalogue;
  out["rewards"] = json::array();
  for (const std::string& name : names) {
    bool found = false;
    for (const json& row : catalogue.at("rewards")) {
      bool same = row.at("name") == name || row.at("plugin") == name;
      for (const json& alias : row.at("aliases")) same = same || alias == name;
      if (same) out["rewards"].push_back(row);
      found = found || same;
    }
    if (!found)
      throw UsageError(HN_NOT_FOUND,
                       "[rewards] no reward '" + name + "'; hnhost rewards lists them");
  }
  return out;
}

int rewards(const Options& o, const Command& command) {
  if (o.measure && o.markdown)
    throw UsageError(HN_INVALID_ARGUMENT, "[rewards] expected --measure or --markdown, got both");
  const std::string request = request_text(o);
  const HostHandle host(command);
  std::string text;
  if (o.measure) {
    catch_signals();
    const auto progress = std::make_unique<Progress>("", command.quiet);
    text = answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_measure_rewards(host.get(), str(request), progress->hooks(), out, error);
    });
  } else {
    text = answer(
        [&](hnhost_text** out, hn_error* error) { return hnhost_rewards(host.get(), out, error); });
  }
  const json catalogue = chosen(json::parse(text), o.names);
  if (command.json)
    print_json(catalogue.dump(2));
  else if (o.markdown)
    std::cout << rewards_markdown(catalogue.at("rewards"));
  else
    std::cout << rewards_text(catalogue);
  return kOk;
}

}  // namespace

void add_rewards(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("rewards", "The catalogue of rewards, and what they cost on this machine");
  verb->footer(
      "Examples:\n  hnhost rewards\n  hnhost rewards clip sharpness --json\n"
      "  hnhost rewards --measure                    # everything whose weights are there\n"
      "  hnhost rewards --measure hps --weights hps=DIR\n\n"
      "Measured figures are kept in the user's cache folder by machine and shown from then on.");
  add_common(*verb, command);
  verb->add_option("names", o->names, "Rewards, plugins or aliases [all]");
  verb->add_flag("--measure", o->measure, "Run each at batch 1 and 8: time and memory");
  verb->add_flag("--markdown", o->markdown, "As docs/rewards.md, without measured figures");
  verb->add_option("--weights", o->weights, "A reward's weights, for --measure; repeat")
      ->type_name("NAME=DIR")
      ->take_all()
      ->allow_extra_args(false);
  add_integer(*verb, "--size", o->size, {1, 4096}, "Pixels on a side for --measure [224]");
  add_integer(*verb, "--threads", o->threads, kThreads, "Of the CPU; 0 = all cores");
  add_number(*verb, "--seconds", o->seconds, "At least, for each case of --measure [1]")
      ->type_name("S");
  verb->callback([o, &command] { command.run = [o, &command] { return rewards(*o, command); }; });
}

}  // namespace hn::cli
