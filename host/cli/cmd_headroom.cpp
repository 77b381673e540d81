// hnhost headroom: how much the noise can do for a reward, before anybody trains.
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
  std::optional<std::int64_t> seeds, seed, batch, steps;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost headroom --generator emoji-sprint --reward clip\n"
    "  hnhost headroom --generator sd-turbo --weights DIR --reward hps=5,clip=0.01 --count 64\n"
    "\nFor each prompt some seeds are drawn and scored: what the best of n gains, how much of the\n"
    "reward's variance is the seed's and how much the prompt's, and how far the gradient would "
    "lead.\n"
    "Verdicts: \"train\", \"search only\", \"little to gain\", \"nothing to gain\", with the "
    "reason.\n"
    "docs/numerics.md has the formulas.";

std::string config_text(const Options& o) {
  Overlay overlay;
  o.model.lay(overlay);
  if (o.steps) overlay.set("generator_options.steps", std::to_string(*o.steps));
  if (o.seed) overlay.set("seed", std::to_string(*o.seed));
  if (o.batch) overlay.set("search.batch", std::to_string(*o.batch));
  if (!o.measures.empty()) overlay.set("eval.rewards", toml_list(o.measures));
  o.reward.lay(overlay, parse_weights(o.model.weights), /*trained=*/true);
  o.setup.lay(overlay);
  return overlay.over_file(o.setup.config);
}

std::string estimate_cell(const nlohmann::json& estimate, const char* value) {
  const std::string error =
      estimate.at("se").is_number() ? " ± " + number_cell(estimate.at("se")) : "";
  return number_cell(estimate.at(value)) + error;
}

void add_row(std::vector<std::vector<std::string>>& rows, const std::string& name,
             const nlohmann::json& measured) {
  std::vector<std::string> row = {name};
  for (const auto& best : measured.at("best_of"))
    if (best.at("n") > 1) row.push_back(estimate_cell(best.at("gain"), "mean"));
  row.push_back(estimate_cell(measured.at("variance").at("share_within"), "value"));
  rows.push_back(std::move(row));
}

std::string report(const nlohmann::json& found) {
  std::vector<std::string> header = {"gain of the best of"};
  for (const auto& best : found.at("best_of"))
    if (best.at("n") > 1) header.push_back(best.at("n").dump());
  header.emplace_back("seeds' share of the variance");
  std::vector<std::vector<std::string>> rows = {header};
  add_row(rows, "value *", found);
  for (const auto& reward : found.at("rewards"))
    if (reward.contains("best_of")) add_row(rows, reward.at("name"), reward);
  std::string out = table_text(rows);
  if (found.at("gradient_norm").is_object())
    out += "gradient at the noise " + estimate_cell(found.at("gradient_norm"), "mean") +
           "; a step of KL 1 along it promises " + estimate_cell(found.at("kl_gain"), "mean") +
           "\n";
  if (found.at("unanswered") > 0)
    out += found.at("unanswered").dump() +
           " prompts left out: " + found.at("why_unanswered").get<std::string>() + "\n";
  return out + found.at("verdict").get<std::string>() + ": " + found.at("why").get<std::string>() +
         "\n";
}

int headroom(const Options& o, const Command& command) {
  if (o.setup.config.empty() && o.reward.rewards.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[headroom] expected --reward NAME (or --config FILE), got none; hnhost list "
                     "rewards shows them");
  std::string request = o.draw.request(config_text(o));
  if (o.seeds) request += toml_line("seeds", std::to_string(*o.seeds));
  const std::string text = ask(command, hnhost_headroom, request);
  if (command.json)
    print_json(text);
  else
    std::cout << report(nlohmann::json::parse(text));
  return kOk;
}

}  // namespace

void add_headroom(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "headroom", "How much the noise can do for a reward, before anybody trains");
  verb->footer(kFooter);
  add_common(*verb, command);
  o->model.add_to(*verb);
  o->reward.add_to(*verb);
  add_names(*verb, "--measure", o->measures,
            "A further reward to measure alone; repeat, or with commas");
  o->draw.add_to(*verb, "The first N prompts [32]");
  add_integer(*verb, "--seeds", o->seeds, {2, kBatches.most}, "Noises a prompt [16]");
  add_integer(*verb, "--steps", o->steps, {1, 10000}, "Steps of the generator");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of all noise [0]");
  add_integer(*verb, "--batch", o->batch, kBatches, "Noises at a time [16]");
  o->setup.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return headroom(*o, command); }; });
}

}  // namespace hn::cli
