// hnhost train: the main job, and what hnhost does without a verb.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "reward_flags.hpp"
#include "shared_options.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  ModelFlags model;
  SetupFlags setup;
  RewardFlags reward;
  std::string prompts, sample_prompts, eval_prompts, out, net, from, memory_budget;
  std::vector<std::string> measures;
  std::optional<std::int64_t> steps, batch, seed, rank;
  std::optional<double> lr, kl, kl_target;
  bool overwrite = false;
  bool dry_run = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost --generator emoji-sprint --reward redness\n"
    "  hnhost train --reward clip=5 --steps 160 --batch 48 --out runs/clip\n"
    "  hnhost train --config my.toml --set train.lr=0.0005 --set "
    "net.targets='[\"to_q\",\"to_v\"]'\n"
    "  hnhost train --generator sana-sprint --weights DIR --reward clip --prompts prompts.txt\n"
    "  hnhost train --reward hps=5,clip=1 --weights hps=DIR --reward-option hps.every=2 \\\n"
    "      --monitor judge --guard judge=drop:0.1\n"
    "\nThe run directory holds config.toml, adapter/ (a LoRA in PEFT's format), metrics.jsonl, "
    "TensorBoard events,\n"
    "samples/, report.html and summary.json. The same command goes on where it was stopped,\n"
    "and with more --steps where it was finished.\n"
    "Every key of the configuration: docs/configuration.md";

std::string shortest(double value) { return nlohmann::json(value).dump(); }

// Where nothing was said: the embedded model, and the rewards that show what a gain costs.
void apply_defaults(const Options& o, Overlay& overlay) {
  const bool embedded =
      o.setup.config.empty() && (o.model.generator.empty() || o.model.generator == "emoji-sprint");
  if (!o.measures.empty()) {
    overlay.set("eval.rewards", toml_list(o.measures));
  } else if (embedded) {
    overlay.set("eval.rewards", toml_list({"clip", "judge"}));
  }
  if (!o.out.empty()) {
    overlay.set_text("run.dir", o.out);
  } else if (o.setup.config.empty()) {
    std::string name = o.model.generator.empty() ? "emoji-sprint" : o.model.generator;
    if (!o.reward.rewards.empty()) name += "-" + o.reward.label();
    if (!o.net.empty() && o.net != "hypernet") name += "-" + o.net;
    for (char& c : name)
      if (c == '/') c = '_';
    overlay.set_text("run.dir", "runs/" + name);
  }
}

std::string config_text(const Options& o) {
  Overlay overlay;
  apply_defaults(o, overlay);
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) overlay.set_text(key, value);
  };
  const auto integer = [&](const char* key, const std::optional<std::int64_t>& value) {
    if (value) overlay.set(key, std::to_string(*value));
  };
  o.model.lay(overlay);
  text("train.prompts", o.prompts);
  text("train.sample_prompts", o.sample_prompts);
  text("eval.prompts", o.eval_prompts);
  text("net.kind", o.net);
  text("net.file", o.from);
  text("train.memory_budget", o.memory_budget);
  integer("train.steps", o.steps);
  integer("train.batch", o.batch);
  integer("seed", o.seed);
  integer("net.rank", o.rank);
  if (o.lr) overlay.set("train.lr", shortest(*o.lr));
  if (o.kl) overlay.set("train.reg_weight", shortest(*o.kl));
  if (o.kl_target) overlay.set("train.kl_target", shortest(*o.kl_target));
  if (o.overwrite) overlay.set("run.overwrite", "true");
  o.reward.lay(overlay, parse_weights(o.model.weights), /*trained=*/true);
  o.setup.lay(overlay);
  return overlay.over_file(o.setup.config);
}

int train(const Options& o, const Command& command) {
  if (o.setup.config.empty() && o.reward.rewards.empty())
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[train] expected --reward NAME (or --config FILE), got none; hnhost list "
                     "rewards shows them");
  const std::string config = config_text(o);
  const HostHandle host(command);
  std::string resolved;
  try {
    resolved = answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_resolve(host.get(), str(config), out, error);
    });
  } catch (const Error& error) {
    // The command line or the file asks for what is not there.
    throw UsageError(error.code(), error.what());
  }
  if (o.dry_run) {
    std::cout << resolved;
    return kOk;
  }
  catch_signals();
  const auto progress = std::make_unique<Progress>("", command.quiet);
  const std::string summary = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_run(host.get(), str(config), progress->hooks(), out, error);
  });
  if (command.json) {
    print_json(summary);
    return kOk;
  }
  const auto parsed = nlohmann::json::parse(summary);
  std::cout << summary_table(parsed);
  std::cerr << "* trained on; the others are only measured. Report: "
            << parsed.value("folder", std::string()) << "/report.html\n";
  return kOk;
}

}  // namespace

void add_train(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "train", "Train (or resume) in a run directory, then sample and score before and after");
  verb->footer(kFooter);
  add_common(*verb, command);
  o->model.add_to(*verb);
  o->reward.add_to(*verb);
  o->reward.add_training_to(*verb);
  add_names(*verb, "--measure", o->measures,
            "A reward that is only measured; repeat, or with commas [clip, judge]");
  verb->add_option("--prompts", o->prompts, "Training prompts: text, TSV, CSV or JSONL")
      ->type_name("FILE");
  verb->add_option("--eval-prompts", o->eval_prompts, "Held-out prompts")->type_name("FILE");
  verb->add_option("--sample-prompts", o->sample_prompts, "Prompts of the pictures")
      ->type_name("FILE");
  add_integer(*verb, "--steps", o->steps, {0, kSteps.most}, "Optimiser steps");
  add_integer(*verb, "--batch", o->batch, kBatches, "Samples a step");
  verb->add_option(
          "--memory-budget", o->memory_budget,
          "Most memory kept between forward and backward, as 8GiB; below it, compute again")
      ->type_name("SIZE");
  add_number(*verb, "--lr", o->lr, "Learning rate");
  add_number(*verb, "--kl", o->kl, "Weight of the KL term (train.reg_weight)");
  add_number(*verb, "--kl-target", o->kl_target,
             "Bound of half the squared Delta a sample (train.kl_target); 0: none");
  add_integer(*verb, "--rank", o->rank, {1, 65536}, "Rank of the LoRA matrices");
  verb->add_option("--net", o->net,
                   "What is trained: hypernet, low-frequency, constant, finetune or none")
      ->type_name("KIND");
  verb->add_option("--from", o->from, "Begin with this adapter, or a run's")->type_name("PATH");
  add_integer(*verb, "--seed", o->seed, kSeeds, "Of everything drawn at random");
  verb->add_option("--out", o->out, "The run directory [runs/GENERATOR-REWARDS]")->type_name("DIR");
  verb->add_flag("--overwrite", o->overwrite, "Begin anew where the directory holds another run");
  o->setup.add_to(*verb);
  verb->add_flag("--dry-run", o->dry_run, "Print the resolved configuration and stop");
  verb->callback([o, &command] { command.run = [o, &command] { return train(*o, command); }; });
}

}  // namespace hn::cli
