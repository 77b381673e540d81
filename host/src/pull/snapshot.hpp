// What is in the cache already, without asking anybody.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pull/hub_places.hpp"
#include "pull/weights_list.hpp"

namespace hn::pull {

struct Snapshot {
  std::filesystem::path folder;   // snapshots/COMMIT
  std::filesystem::path weights;  // what plugins are given: ListedModel::weights inside it
  std::string commit, variant;
  std::map<std::string, std::filesystem::path> options;  // of its parts: their weights by option
};

// The snapshot of a listed model in which every pattern of one of its variants has a readable file
// and every shard that an index names is there, as it must be for each of its parts; the default
// variant is preferred. Nothing where there is none. missing: the patterns and files without which
// it is not whole, for messages; those of a part behind its repository's name.
std::optional<Snapshot> find_snapshot(const ListedModel& model, const HubPlaces& places,
                                      std::vector<std::string>* missing = nullptr);
std::optional<Snapshot> find_snapshot(const ListedModel& model, const HubPlaces& places,
                                      const std::string& variant,
                                      std::vector<std::string>* missing);

// The same for the installed list and this process's environment, for a model's name or alias.
std::optional<Snapshot> pulled_weights(const std::vector<std::string>& names);
// True where `hnhost pull NAME` would know one of the names; gives it.
std::optional<std::string> can_be_pulled(const std::vector<std::string>& names);

}  // namespace hn::pull
