// Where the files of a sharded model are.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace hn {

// Tensor name -> shard's file name, from the "weight_map" of an index .json. Errors: HN_NOT_FOUND,
// HN_DATA_LOSS (bad JSON, no weight_map, a shard name that leaves the folder).
std::map<std::string, std::string> read_shard_index(const std::filesystem::path& index);

// The file or index of `folder` that SafetensorsFolder::open takes, or nullopt; then `tried` has
// the names that it looked for, joined by ", ".
std::optional<std::filesystem::path> find_safetensors(const std::filesystem::path& folder,
                                                      const std::string& variant,
                                                      std::string& tried);

}  // namespace hn
