// hnhost demo: the method in a few minutes on the embedded model, built from ordinary runs.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "compare.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  std::string out = "runs/demo";
  std::int64_t seeds = 1;
  std::int64_t first_seed = 0;
  std::vector<std::string> only;  // folders of stages; empty: all
  std::int64_t threads = 0;
  bool quick = false;
  bool overwrite = false;
};

struct Stage {
  const char* folder;
  const char* label;
  const char* what;  // for people, before it begins
  const char* config;
  std::int64_t steps;
};

// Settings as measured on the embedded model (docs/results/demo.md). reg_weight is the knob between
// gain and cost; the fine-tune has no such term, which is the point of the comparison.
constexpr Stage kStages[] = {
    {"redness-hypernetwork", "redness, noise hypernetwork",
     "redness by a noise hypernetwork: pictures turn redder and stay pictures",
     "net.kind = \"hypernet\"\ntrain.reg_weight = 6.0\n"
     "reward = [{name = \"redness\", weight = 1.0}]\neval.rewards = [\"clip\", \"judge\"]\n",
     80},
    {"redness-finetune", "redness, direct fine-tune",
     "redness by direct fine-tuning: every picture collapses",
     "net.kind = \"finetune\"\n"
     "reward = [{name = \"redness\", weight = 1.0}]\neval.rewards = [\"clip\", \"judge\"]\n",
     24},
    {"clip-hypernetwork", "CLIP, noise hypernetwork",
     "the tiny CLIP's score by a noise hypernetwork: pictures follow their prompts better",
     "net.kind = \"hypernet\"\ntrain.reg_weight = 1.0\ntrain.batch = 48\n"
     "train.schedule = \"linear\"\ntrain.decay_from = 0.6\n"
     "reward = [{name = \"clip\", weight = 5.0}]\neval.rewards = [\"redness\", \"judge\"]\n",
     240},
};

std::string stage_config(const Stage& stage, const Options& o, std::int64_t seed,
                         const std::string& folder) {
  const std::int64_t steps = o.quick ? std::max<std::int64_t>(4, stage.steps / 10) : stage.steps;
  const std::int64_t every = std::max<std::int64_t>(1, steps / 8);
  std::string text = stage.config;
  const auto add = [&](const std::string& key, const std::string& value) {
    text += key + " = " + value + "\n";
  };
  add("generator", toml_text("emoji-sprint"));
  add("seed", std::to_string(seed));
  add("threads", std::to_string(o.threads));
  add("net.rank", "16");
  add("net.alpha", "32.0");
  add("train.steps", std::to_string(steps));
  add("train.lr", "0.001");
  add("train.sample_every", std::to_string(every));
  add("train.checkpoint_every", std::to_string(every));
  add("eval.count", o.quick ? "32" : "0");
  if (o.quick) add("validation.count", "16");
  add("eval.seeds", "[1]");
  add("run.dir", toml_text(folder));
  add("run.overwrite", o.overwrite ? "true" : "false");
  // One table, since keys with dots may not be spread over a document.
  return "[set]\n" + text;
}

void print_stage(const Stage& stage, std::int64_t seed, const Options& o) {
  std::cerr << "\n== " << stage.what;
  if (o.seeds > 1) std::cerr << " (seed " << seed << ")";
  std::cerr << "\n";
}

std::vector<const Stage*> stages_of(const Options& o) {
  std::vector<const Stage*> stages;
  for (const Stage& stage : kStages)
    if (o.only.empty() || std::find(o.only.begin(), o.only.end(), stage.folder) != o.only.end())
      stages.push_back(&stage);
  return stages;
}

int demo(const Options& o, const Command& command) {
  namespace fs = std::filesystem;
  const HostHandle host(command);
  catch_signals();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<RunGroup> groups;
  const std::vector<const Stage*> stages = stages_of(o);
  for (const Stage* stage : stages) groups.push_back({stage->label, {}});
  // Seed by seed, so that the first one's pictures and table are there early.
  for (std::int64_t seed = o.first_seed; seed < o.first_seed + o.seeds; ++seed) {
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const Stage& stage = *stages[i];
      if (!command.quiet) print_stage(stage, seed, o);
      const std::string folder =
          (fs::path(o.out) / (stage.folder + std::string("-seed") + std::to_string(seed))).string();
      const std::string config = stage_config(stage, o, seed, folder);
      const auto progress = std::make_unique<Progress>("", command.quiet);
      const std::string summary = answer([&](hnhost_text** out, hn_error* error) {
        return hnhost_run(host.get(), str(config), progress->hooks(), out, error);
      });
      groups[i].runs.push_back(folder);
      if (command.quiet) continue;
      std::cerr << summary_table(nlohmann::json::parse(summary)) << "pictures: " << folder
                << "/samples/before.png, after.png   report: " << folder << "/report.html\n";
    }
  }
  const std::string page = (fs::path(o.out) / "compare.html").string();
  const std::string text = compare_runs(host, groups, "redness", {"clip", "judge"}, page,
                                        "Noise hypernetwork and direct fine-tune");
  if (command.json) {
    print_json(text);
    return kOk;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::cout << "\n" << comparison_table(nlohmann::json::parse(text));
  std::cerr << "\n"
            << duration_text(seconds) << " in all. Everything on one page: " << page << "\n";
  return kOk;
}

}  // namespace

void add_demo(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "demo", "Redness by hypernetwork and by fine-tune, then CLIP, on the embedded model");
  verb->footer(
      "Examples:\n  hnhost demo --out runs/demo\n  hnhost demo --seeds 3\n\nThe settings are those "
      "of docs/results; a stopped demo goes on where it was.");
  add_common(*verb, command);
  verb->add_option("--out", o->out, "Where the runs go [runs/demo]")->type_name("DIR");
  add_integer(*verb, "--seeds", o->seeds, {1, 10000}, "Trainings of each kind [1]");
  add_integer(*verb, "--seed", o->first_seed, kSeeds, "The first of them [0]");
  std::vector<std::string> names;
  for (const Stage& stage : kStages) names.emplace_back(stage.folder);
  verb->add_option("--only", o->only, "One of the trainings; repeat")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false)
      ->check(CLI::IsMember(names));
  add_integer(*verb, "--threads", o->threads, kThreads, "Of the CPU; 0 = all cores");
  verb->add_flag("--quick", o->quick, "A tenth of the steps, 32 held-out prompts: does it run?");
  verb->add_flag("--overwrite", o->overwrite, "Begin anew");
  verb->callback([o, &command] { command.run = [o, &command] { return demo(*o, command); }; });
}

}  // namespace hn::cli
