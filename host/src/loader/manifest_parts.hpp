// The readers of a manifest's tables, shared by plugin.toml and by a user's models files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/manifest.hpp"
#include "support/toml_table.hpp"

namespace hn::host {

// A name that a user types: lower-case letters, digits, - _ . ; throws through table.fail.
std::string read_name(TomlTable& table, const std::string& key);
void check_name(const TomlTable& table, const std::string& key, const std::string& name);
std::vector<std::string> read_names(TomlTable& table, const std::string& key);

// The options of a model or a known value.
core::Options read_options(TomlTable& table, const Manifest& plugin);

// Words without a dot are hn's: a plugin whose id is not "hn...." names its functions and options
// by a reverse domain, or by a word that hn has (`known`).
void check_word(const TomlTable& table, const std::string& key, const std::string& word,
                const std::vector<std::string>& known, const Manifest& plugin);

// A path that stays below the folder that it is relative to.
void check_inside(const TomlTable& table, const std::string& key, const std::string& path);
void check_sha256(const TomlTable& table, const std::string& key, const std::string& digits);

// [reward], or with a base a model's changes to it.
RewardFacts read_reward(TomlTable table, const RewardFacts* base);
OptionSpec read_option(TomlTable& table, const Manifest& plugin);
WeightFile read_weight_file(TomlTable& table);

// [[known_values]] and [[detectors]] of a reward whose models and options were read.
void read_self_test(TomlTable& top, Manifest& plugin);

// One [[models]] entry. Relative paths start at `folder`; confined: they must stay below it.
ModelSpec read_model(TomlTable& table, const Manifest& plugin, const std::filesystem::path& folder,
                     bool confined);

}  // namespace hn::host
