// What the verbs score and compare share: rewards over sets of pictures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "reward_flags.hpp"
#include "shared_options.hpp"

namespace hn::cli {

struct SetFlags {
  RewardFlags reward;
  SetupFlags setup;
  std::vector<std::string> weights, prompts;
  std::string prompts_file;
  std::int64_t batch = 16;
  std::optional<std::int64_t> decoders, max_pixels;
  bool exif_orientation = false;

  void add_to(CLI::App& verb);
  // UsageError "[verb] ..." without a reward.
  void check(const char* verb) const;
  bool has_prompts() const { return !prompts.empty() || !prompts_file.empty(); }
  std::string config() const;   // TOML
  std::string request() const;  // config, prompts, batch and decoders as TOML lines
};

// Two sets pair by pair; answers with the exit code.
int compare_sets(const SetFlags& flags, const std::vector<std::string>& sets,
                 const Command& command);

}  // namespace hn::cli
