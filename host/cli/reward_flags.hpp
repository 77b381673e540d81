// --reward and what goes with it, for every verb that opens rewards.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "command.hpp"
#include "overlay.hpp"

namespace hn::cli {

// "DIR" is the generator's, "NAME=DIR" a reward's. Throws UsageError for two of one kind.
struct WeightFolders {
  std::string generator;
  std::map<std::string, std::string> rewards;
};
WeightFolders parse_weights(const std::vector<std::string>& flags);

// "hps=5,imagereward=1" and repeated flags, in order; the preset "paper" becomes its rewards.
// Throws UsageError for a name given twice or a weight that is no number.
std::vector<NamedWeight> parse_rewards(const std::vector<std::string>& flags);

struct RewardFlags {
  std::vector<std::string> rewards, options, monitors, guards;
  bool normalise = false;

  void add_to(CLI::App& verb);           // --reward, --reward-option
  void add_training_to(CLI::App& verb);  // --monitor, --guard, --reward-normalise
  // Sets `reward`, `guard` and train.reward_normalise. trained: false for verbs that only score.
  // Throws UsageError for options and weights of a reward that is not asked for.
  void lay(Overlay& overlay, const WeightFolders& weights, bool trained) const;
  // "clip-redness", for the name of a run's folder.
  std::string label() const;
};

}  // namespace hn::cli
