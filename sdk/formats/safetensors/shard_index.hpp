// Where the files of a sharded model are.
#pragma once

#include <filesystem>
#include <hn/formats/safetensors.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hn {

// Tensor name -> shard's file name, from the "weight_map" of an index .json. Errors: HN_NOT_FOUND,
// HN_DATA_LOSS (bad JSON, no weight_map, a shard name that leaves the folder).
std::map<std::string, std::string> read_shard_index(const std::filesystem::path& index);

// A tensor that several shards have must be the same in each, since readers differ in which they
// take. `shards`: each one's name and what it has of the tensor.
struct ShardTensor {
  std::string shard;
  TensorDtype dtype;
  std::vector<std::int64_t> shape;
  const std::byte* data;  // contiguous; nullptr where it has no bytes
  std::uint64_t bytes;
};
// "\"NAME\" is in A and in B, with different contents"; nothing where all are the same.
std::optional<std::string> differing_copies(const std::string& tensor,
                                            const std::vector<ShardTensor>& shards);

// The file or index of `folder` that SafetensorsFolder::open takes, or nullopt; then `tried` has
// the names that it looked for, joined by ", ".
std::optional<std::filesystem::path> find_safetensors(const std::filesystem::path& folder,
                                                      const std::string& variant,
                                                      std::string& tried);

}  // namespace hn
