// The configuration of a run: one struct, read from TOML and written back with every default.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"
#include "files/pictures_config.hpp"

namespace hn::host {

class Registry;

// One [[reward]].
struct RewardConfig {
  std::string name;       // as the registry knows it: name, alias, id, model or path of a bundle
  double weight = 1;      // of the loss; resolved from the registry when not given
  bool train = true;      // false: measured only, as are the names in [eval] rewards
  std::string weights;    // a folder or file, absolute once resolved; empty: the model's own
  core::Options options;  // as the user gave them
  // Training steps between two runs of the reward; left out: 1 where it is trained on, else 0,
  // never (evaluation alone measures it then).
  std::int64_t every = 1;
  std::int64_t batch = 0;  // it sees the first so many samples of a batch; 0: all
  std::int64_t resize =
      0;  // pixels that pictures are resized to before; rewards of one number share
  // Two forms of a prompt, good and bad, or none: the score is the difference between them.
  std::vector<std::string> relative;
  core::Isolation isolation = core::Isolation::kAuto;
  bool weight_given = false, every_given = false;

  // Of its curve, by which [[guard]] and the reports know it.
  std::string curve() const { return relative.empty() ? name : name + kRelativeCurve; }
  static constexpr const char* kRelativeCurve = "-relative";
};

struct TrainConfig {
  // On where nothing else is said; the core's own defaults are the plain method.
  TrainConfig() {
    spec.beta2 = 0.999;
    spec.ema = 0.98;
    spec.outlier = 4;
    spec.sample_outlier = 2;
  }
  core::TrainSpec spec;  // spec.prompts stays empty: training_prompts fills it
  // Left out: core::kAutoKlTarget.
  std::optional<double> kl_target;
  std::string prompts;         // a file, "model:NAME" or "general:NAME"; resolved where not given
  std::string sample_prompts;  // of the pictures during training; the same
  std::int64_t checkpoint_every = 50;  // steps; 0 = only at the end
  std::int64_t sample_every = 50;      // steps; 0 = only before and after
  bool reg_weight_given = false;       // else spec.reg_weight is resolved from the model
  bool lr_given = false;               // else spec.lr is resolved from the kind of network
};

// The prompts on which the best state of the adapter is chosen, apart from those that it is trained
// on and those that are reported.
struct ValidationConfig {
  std::string prompts;  // as TrainConfig::prompts, or "split": taken out of the training prompts
  std::int64_t count = 64;    // of prompts; 0 = none, and nothing is chosen
  std::int64_t seed = 2;      // of their noise
  std::int64_t every = 0;     // steps; resolved to a tenth of them where not given; 0 = never
  std::int64_t patience = 0;  // end after so many measurements without a better one; 0 = never
  bool on() const { return count > 0; }
};

struct EvalConfig {
  std::string prompts;                    // as TrainConfig::prompts
  std::int64_t count = 64;                // of prompts, from the front; 0 = all of them
  std::vector<std::int64_t> seeds = {1};  // one noise a prompt and seed
  std::int64_t batch = 16;
  std::vector<std::string> rewards;  // measured only, beside the [[reward]] entries
};

enum class SearchMethod { kBestOfN, kThreshold, kRandom, kZerothOrder, kReno, kLangevin };

// [search]: how hnhost_search looks for better noise at test time; docs/numerics.md has the
// formulas.
struct SearchConfig {
  bool given = false;  // the table stands in the text, and is written back
  SearchMethod method = SearchMethod::kBestOfN;
  std::int64_t n = 50;              // noises that are looked at a prompt, the start among them
  std::int64_t batch = 16;          // of them at once, where the method allows it
  double sigma = 0.3;               // random, zeroth-order: the share of fresh noise in a neighbour
  std::int64_t neighbours = 7;      // zeroth-order: a round
  std::optional<double> threshold;  // threshold: of the weighted reward
  double most = 4;                  // threshold: a prompt looks at no more than most * n
  double lr = 5, momentum = 0.9;    // reno
  bool nesterov = true;             // reno
  double clip = 0.1;                // reno: of the gradient's norm; 0: none
  double reg_weight = 0.01;         // reno: of the norm's term
  double eta = 0.05;                // langevin: variance of the noise that a step adds
  double temperature = 0.01;        // langevin: the target is N(0, I) exp(reward / temperature)
};

struct RunSection {
  std::string dir;  // absolute once resolved; empty: the caller chooses
  bool overwrite = false;
  bool tensorboard = true;
};

struct RunConfig {
  std::string generator = "emoji-sprint";  // model, plugin name, alias, id or path of a bundle
  bool generator_given = false;            // the text named it
  std::string weights;  // a folder or file, absolute once resolved; empty: the model's own
  std::string device = "cpu";
  std::string dtype;  // resolved to the model's, else float32
  std::uint64_t seed = 0;
  std::int64_t threads = 0;  // 0 = all cores
  core::Determinism deterministic = core::Determinism::kAuto;
  std::uint64_t prompt_cache_mib = 256;
  core::Isolation isolation = core::Isolation::kAuto;  // of the generator
  core::Options generator_options;
  std::vector<RewardConfig> rewards;
  std::vector<core::GuardSpec> guards;  // [[guard]]
  core::NetSpec net;
  TrainConfig train;
  ValidationConfig validation;
  EvalConfig eval;
  PicturesConfig pictures;
  core::PluginPlace worker;  // [worker]: the limits of every worker process
  RunSection run;
  SearchConfig search;
};

// Reads the TOML text of docs/configuration.md; the table [set] is laid over the rest. Throws
// HN_INVALID_ARGUMENT with "[configuration] line N: ..." (with `name`, a file's: "NAME:N: ...") for
// a syntax error, an unknown key (the nearest is named), a value of another type or out of its
// range.
RunConfig parse_config(std::string_view toml, const std::string& name = "");

// What a configuration is for. kRewards: its rewards alone, measured; no generator has to be
// installed, and what the text says of it, of training and of guards is not used.
enum class ConfigUse { kRun, kRewards };

// Fills what only the installed plugins know (reward weights, dtype, prompt lists), makes paths
// absolute and checks every name and option against the manifests. Stable: resolving twice changes
// nothing. Throws HN_NOT_FOUND for an unknown generator or reward (nearest names listed),
// HN_INVALID_ARGUMENT for kRewards without any.
void resolve_config(RunConfig& config, const Registry& registry, ConfigUse use = ConfigUse::kRun);

// Every key with its value; parse_config reads it back to an equal struct.
std::string to_toml(const RunConfig& config);

// The keys as they may be written, "train.lr", "reward[].name", ...: for the test of the
// documentation and for nearest names.
std::vector<std::string> config_keys();

// Prompts of a resolved "model:NAME", "general:NAME" or file; see read_prompts.
std::vector<core::Prompt> load_prompts(const RunConfig& config, const Registry& registry,
                                       const std::string& source);

// What the core is opened with. Plugins are not opened here: spec.generator.plugin.entry and those
// of the rewards stay NULL, and so stay prompts empty. Rewards are in the order of config.rewards,
// then eval.rewards.
core::SessionSpec session_spec(const RunConfig& config, const Registry& registry,
                               ConfigUse use = ConfigUse::kRun);

}  // namespace hn::host
