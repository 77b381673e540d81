// hnhost diagnose: what a trained adapter does to noise and pictures.
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
  std::vector<std::string> panel;
  std::optional<std::int64_t> seeds, seed;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost diagnose --adapter runs/clip\n"
    "  hnhost diagnose --adapter runs/clip --panel judge --panel sharpness --count 32 --seeds 16\n"
    "\nThe same noises for every prompt tell apart what of Delta is one constant offset, what "
    "the\n"
    "prompt decides and what the noise. Without --reward and --panel the rewards are those of the\n"
    "adapter's run.";

std::string config_text(const Options& o) {
  Overlay overlay;
  o.model.lay(overlay);
  if (o.seed) overlay.set("seed", std::to_string(*o.seed));
  if (!o.panel.empty()) overlay.set("eval.rewards", toml_list(o.panel));
  o.reward.lay(overlay, parse_weights(o.model.weights), /*trained=*/true);
  o.setup.lay(overlay);
  return overlay.over_file(o.setup.config);
}

std::string percent(const nlohmann::json& share) {
  return std::to_string(static_cast<int>(share.get<double>() * 100 + 0.5)) + " %";
}

std::string mean_cell(const nlohmann::json& mean) {
  const std::string error = mean.at("se").is_number() ? " ± " + number_cell(mean.at("se")) : "";
  return number_cell(mean.at("mean")) + error;
}

std::string kl_method(const nlohmann::json& divergence) {
  return divergence.at("method") == "jacobian" ? "by the whole Jacobian"
                                               : "by random probes of the Jacobian";
}

std::string report(const nlohmann::json& found) {
  std::string out;
  if (found.contains("delta")) {
    const auto& delta = found.at("delta");
    out +=
        table_text({{"Delta", ""},
                    {"½|Δ|²", number_cell(delta.at("kl"))},
                    {"root mean square, beside the noise's 1", number_cell(delta.at("rms"))},
                    {"one constant offset", percent(delta.at("constant_share"))},
                    {"decided by the prompt", percent(delta.at("prompt_share"))},
                    {"decided by the noise", percent(delta.at("noise_share"))},
                    {"by both together", percent(delta.at("both_share"))},
                    {"Lipschitz constant (the bound wants it below 1)",
                     number_cell(found.at("lipschitz").at("largest"))},
                    {"KL divergence, " + kl_method(found.at("divergence")),
                     mean_cell(found.at("divergence").at("exact"))},
                    {"of which ½|Δ|² leaves out", mean_cell(found.at("divergence").at("error"))}});
    std::vector<std::vector<std::string>> rows = {
        {"noise", "mean", "deviation", "farthest mean of a channel"}};
    for (const char* state : {"before", "after"}) {
      const auto& noise = found.at("noise").at(state);
      rows.push_back({state, number_cell(noise.at("mean")), number_cell(noise.at("deviation")),
                      number_cell(noise.at("farthest_channel_mean"))});
    }
    out += "\n" + table_text(rows) + "\n";
  }
  std::vector<std::vector<std::string>> rows = {{"", "before", "after", "paired difference", ""}};
  const auto& diversity = found.at("diversity");
  rows.push_back({"distance between seeds", mean_cell(diversity.at("before")),
                  mean_cell(diversity.at("after")), difference_cell(diversity.at("difference")),
                  ""});
  for (const auto& reward : found.at("rewards"))
    rows.push_back({reward.at("name").get<std::string>() + (reward.at("trained") ? " *" : ""),
                    mean_cell(reward.at("before")), mean_cell(reward.at("after")),
                    difference_cell(reward.at("difference")), reward.at("verdict")});
  out += table_text(rows);
  if (found.at("conflicts").empty()) return out;
  rows = {{"gradients of", "cosine"}};
  for (const auto& pair : found.at("conflicts"))
    rows.push_back({pair.at("rewards").at(0).get<std::string>() + ", " +
                        pair.at("rewards").at(1).get<std::string>(),
                    mean_cell(pair.at("cosine"))});
  return out + "\n" + table_text(rows);
}

int diagnose(const Options& o, const Command& command) {
  std::string request = o.draw.request(config_text(o));
  if (o.seeds) request += toml_line("seeds", std::to_string(*o.seeds));
  const std::string text = ask(command, hnhost_diagnose, request);
  if (command.json)
    print_json(text);
  else
    std::cout << report(nlohmann::json::parse(text));
  return kOk;
}

}  // namespace

void add_diagnose(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("diagnose", "What a trained adapter does to noise and pictures");
  verb->footer(kFooter);
  add_common(*verb, command);
  o->model.add_to(*verb);
  o->reward.add_to(*verb);
  add_names(*verb, "--panel", o->panel, "A reward that was not trained on; repeat, or with commas");
  o->draw.add_to(*verb, "Only the first N prompts [8]; 0: 8");
  add_integer(*verb, "--seeds", o->seeds, {2, kBatches.most}, "Noises of each prompt [8]");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of the noises [0]");
  o->setup.add_to(*verb);
  verb->callback([o, &command] { command.run = [o, &command] { return diagnose(*o, command); }; });
}

}  // namespace hn::cli
