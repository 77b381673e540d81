// One plugin.toml as a struct: schema 1, described key by key in docs/manifest.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

enum class PluginKind { kReward, kGenerator };
std::string_view kind_name(PluginKind kind);  // "reward", "generator"

// [[options]]: one of the plugin's own option keys.
struct OptionSpec {
  std::string key;
  std::string type;  // "bool", "int", "float", "str", "list"
  std::optional<core::OptionValue> fallback;
  std::string help;
  std::vector<std::string> choices;
  std::optional<double> min, max;
};

// [[weights]]: one file that the plugin reads.
struct WeightFile {
  std::string name, model, file, repo, revision, sha256, licence;
  std::optional<std::uint64_t> bytes;
};

// [reward], or the part of it that a model replaces.
struct RewardFacts {
  std::optional<double> min, max;  // of the score; none = no bound
  bool higher_is_better = true;
  double default_weight = 1;
  double loss_target = 0, loss_scale = 1;  // loss = weight * (target - scale * score)
  std::string loss_form;                   // the paper's, for people
  std::vector<std::string> preprocessing;
  std::int64_t text_limit = 0;        // tokens; 0 = reads no prompt
  std::vector<std::string> pitfalls;  // what a user should know, one line each
};

// [[known_values]]: a score that a reference implementation gave, for the self test.
struct KnownValue {
  std::string model;  // the [[models]] entry that it belongs to; empty: every one
  std::string prompt, file, sha256;
  double score = 0, tolerance = 0;  // tolerance: of the absolute difference
  std::string version;              // the package and version that gave it
  core::Options options;
};

// [[detectors]]: a score that says that something is broken, whatever the picture.
struct Detector {
  std::string model;  // as above
  double score = 0, tolerance = 0;
  std::string means;
};

// [[models]]: a named set of weights.
struct ModelSpec {
  std::string name, summary, licence;
  std::vector<std::string> aliases;
  std::filesystem::path weights;  // absolute; empty when weights_required
  bool weights_required = false;
  bool is_default = false;
  core::Options options;
  std::map<std::string, std::filesystem::path> prompts;  // absolute files by name
  std::optional<double> reg_weight;   // of the KL term, mean form; generators only
  std::optional<RewardFacts> reward;  // [reward] with this model's changes; rewards only
  std::filesystem::path defined_in;   // the file with this entry: the manifest, or the user's own

  // The name, then the aliases.
  std::vector<std::string> names() const {
    std::vector<std::string> all = {name};
    all.insert(all.end(), aliases.begin(), aliases.end());
    return all;
  }
};

struct Manifest {
  std::filesystem::path bundle;  // absolute
  std::string id, version, name, summary, licence;
  PluginKind kind = PluginKind::kReward;
  std::vector<std::string> aliases, functions;
  std::string paper, repository, commit;  // [source]
  bool differentiable = true, streams = false;
  std::vector<std::string> devices = {"cpu"}, dtypes = {"float32"};
  std::int64_t abi_major = 0, abi_min_minor = 0;
  std::filesystem::path library;  // absolute, of this platform
  std::string library_sha256;
  std::string libtorch;  // build id, or "none"
  std::string glibc, cuda;
  std::optional<RewardFacts> reward;  // set for rewards
  std::vector<OptionSpec> options;
  std::vector<WeightFile> weights;
  std::vector<ModelSpec> models;
  std::vector<KnownValue> known_values;  // rewards only
  std::vector<Detector> detectors;       // rewards only
  // What this hn does not understand of it, "FILE:LINE: [where] key: unknown key; ...": perhaps a
  // newer hn's, perhaps a slip of the pen. Such a bundle runs all the same.
  std::vector<std::string> notes;

  // The model that the plugin's own name stands for; null for a plugin without models, or with
  // several of which none is the default.
  const ModelSpec* default_model() const;
};

// The platform whose [library.*] table is read: "linux-x86_64".
std::string_view platform_name();

// kTolerant: a host's way, so that a bundle of a newer 1.x runs; what is not understood is noted,
// unless must_understand names it. kStrict: its author's way, where the same is refused.
enum class Reading { kTolerant, kStrict };

// Reads and checks BUNDLE/plugin.toml. Nothing of the library is opened; that its file exists is
// checked. Throws HN_NOT_FOUND (no bundle, no manifest, no library for this platform) or
// HN_INVALID_ARGUMENT, "FILE:LINE: [where] expected ..., got ...".
Manifest read_manifest(const std::filesystem::path& bundle, Reading reading = Reading::kTolerant);

// The file as its author writes it, strictly, for the build: the tables of the build must not stand
// in it. kind: what the build was told. Throws as read_manifest does.
void check_author_manifest(const std::filesystem::path& file, PluginKind kind);

// A user's models file: [[models]] entries, each with the plugin that it belongs to. find gives the
// manifest for a plugin's name, or throws; its message is then given file and line.
struct UserModel {
  const Manifest* plugin = nullptr;
  ModelSpec model;
};
using FindPlugin = std::function<const Manifest*(const std::string& plugin)>;
std::vector<UserModel> read_user_models(const std::filesystem::path& file, const FindPlugin& find);

// lora.rank, lora.alpha, lora.targets: only the host sets them. Other keys below lora. are a
// plugin's.
bool is_host_option(std::string_view key);

// The option keys that every plugin may be given; those of the host are not among them.
const std::vector<OptionSpec>& standard_options();

// The plugin's entry for a key, else the standard one, else null.
const OptionSpec* find_option(const Manifest& manifest, std::string_view key);

// Checks options against the manifest: unknown keys (nearest named), types, choices, ranges.
// Integers become floats where a float is wanted. `where` opens the message: "[reward clip]".
// unknown: gets the message of each unknown key instead of the first one being thrown.
void check_options(const Manifest& manifest, core::Options& options, const std::string& where,
                   std::vector<std::string>* unknown = nullptr);

// Adds the manifest's default of every option that is not given: a plugin gets them all, so that
// the manifest is where a default stands.
void add_defaults(const Manifest& manifest, core::Options& options);

}  // namespace hn::host
