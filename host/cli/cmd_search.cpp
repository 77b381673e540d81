// hnhost search: better noise at test time, without training.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "ask.hpp"
#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "reward_flags.hpp"
#include "shared_options.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  ModelFlags model;
  SetupFlags setup;
  RewardFlags reward;
  DrawFlags draw;
  std::vector<std::string> measures;
  std::string method, out_dir;
  std::optional<std::int64_t> n, batch, seed, steps;
  std::optional<double> threshold;
  bool overwrite = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost search --reward clip --method best-of-n --n 50 --measure judge --out-dir found\n"
    "  hnhost search --reward clip --method reno --out-dir found-reno\n"
    "  hnhost search --reward clip --adapter runs/clip --n 8 --out-dir found-adapted\n"
    "  hnhost search --reward clip --method threshold --threshold 0.3 --out-dir found-threshold\n"
    "\nMethods: best-of-n, threshold, random, zeroth-order; reno and langevin, which follow the\n"
    "reward's gradient. Their further options: --set search.KEY=VALUE (docs/configuration.md). "
    "The\n"
    "folder holds the found pictures with prompts.jsonl and sheet.html, before/ with those of the\n"
    "starts, noises.safetensors (for sample --noise-in) and search.json. The same command goes on\n"
    "where it was stopped.";

std::string config_text(const Options& o) {
  Overlay overlay;
  o.model.lay(overlay);
  const auto integer = [&](const char* key, const std::optional<std::int64_t>& value) {
    if (value) overlay.set(key, std::to_string(*value));
  };
  integer("generator_options.steps", o.steps);
  integer("search.n", o.n);
  integer("search.batch", o.batch);
  integer("seed", o.seed);
  if (!o.method.empty()) overlay.set_text("search.method", o.method);
  if (o.threshold) overlay.set("search.threshold", nlohmann::json(*o.threshold).dump());
  if (!o.measures.empty()) overlay.set("eval.rewards", toml_list(o.measures));
  o.reward.lay(overlay, parse_weights(o.model.weights), /*trained=*/true);
  o.setup.lay(overlay);
  return overlay.over_file(o.setup.config);
}

std::string report(const nlohmann::json& found) {
  std::vector<std::vector<std::string>> rows = {
      {"mean", "start", "found", "paired difference", "beyond 2 SE"}};
  const bool single = found.at("sought").size() == 1;
  for (const auto& row : found.at("measures")) {
    const std::string name = row.at("name");
    if (name == "value" && single) continue;  // the reward's own row says it
    rows.push_back({name + (row.at("sought").get<bool>() ? " *" : ""),
                    number_cell(row.at("start").at("mean")),
                    number_cell(row.at("result").at("mean")), difference_cell(row.at("difference")),
                    row.at("verdict")});
  }
  const auto& e = found.at("evaluations");
  return table_text(rows, {false, true, true, true, false}) +
         found.at("method").get<std::string>() + ", " + found.at("prompts").dump() +
         " prompts: " + e.at("generator_forwards").dump() + " generator forwards, " +
         e.at("generator_backwards").dump() + " backwards, " + e.at("reward_forwards").dump() +
         " reward forwards, " + number_cell(found.at("seconds")) + " s, peak memory " +
         number_cell(found.at("peak_memory_bytes").get<double>() / (1 << 20)) + " MiB\n";
}

int search(const Options& o, const Command& command) {
  if (o.out_dir.empty())
    throw UsageError(HN_INVALID_ARGUMENT, "[search] expected --out-dir DIR, got none");
  if (o.setup.config.empty() && o.reward.rewards.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[search] expected --reward NAME (or --config FILE), got none; hnhost list "
                     "rewards shows them");
  std::string request = o.draw.request(config_text(o)) + toml_line("out_dir", toml_text(o.out_dir));
  if (o.overwrite) request += toml_line("overwrite", "true");
  const std::string text = ask(command, hnhost_search, request);
  if (command.json) {
    print_json(text);
    return kOk;
  }
  const auto found = nlohmann::json::parse(text);
  std::cout << report(found);
  std::cerr << "* searched for; the others are only measured. Pictures: "
            << found.at("folder").get<std::string>() << "/sheet.html\n";
  return kOk;
}

}  // namespace

void add_search(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("search", "Better noise for each prompt at test time, without training");
  verb->footer(kFooter);
  add_common(*verb, command);
  o->model.add_to(*verb);
  o->reward.add_to(*verb);
  add_names(*verb, "--measure", o->measures,
            "A reward that is only measured; repeat, or with commas");
  verb->add_option("--method", o->method,
                   "best-of-n, threshold, random, zeroth-order, reno or langevin [best-of-n]")
      ->type_name("NAME");
  add_integer(*verb, "--n", o->n, kBatches, "Noises that a prompt looks at [50]");
  add_number(*verb, "--threshold", o->threshold,
             "Of the weighted reward, at which a prompt's search ends");
  o->draw.add_to(*verb, "Only the first N prompts; 0: all");
  add_integer(*verb, "--steps", o->steps, {1, 10000}, "Steps of the generator");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of all noise; the starts are those of sample [0]");
  add_integer(*verb, "--batch", o->batch, kBatches, "Noises at a time [16]");
  verb->add_option("--out-dir", o->out_dir, "The folder of the search")->type_name("DIR");
  verb->add_flag("--overwrite", o->overwrite, "Begin anew where the folder holds another search");
  o->setup.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return search(*o, command); }; });
}

}  // namespace hn::cli
