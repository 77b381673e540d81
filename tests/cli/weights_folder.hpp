// Folders of weights that a test may spoil.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <hn/formats/safetensors.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hn::test {

// A copy that may be written to, whatever the original's permissions.
inline void copy_weights(const std::filesystem::path& from, const std::filesystem::path& to) {
  namespace fs = std::filesystem;
  fs::copy(from, to, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(to))
    fs::permissions(entry.path(), fs::perms::owner_all, fs::perm_options::add);
}

// Rewrites a file: change(tensors) edits names and shapes; data of another size is zeros.
template <class Change>
void rewrite_weights(const std::filesystem::path& file, const Change& change) {
  std::vector<TensorToWrite> tensors;
  const SafetensorsFile opened = SafetensorsFile::open(file);
  for (const TensorView& view : opened.tensors())
    tensors.push_back({view.name, view.dtype, view.shape, view.data, view.nbytes});
  change(tensors);
  std::vector<std::vector<char>> zeros;
  for (TensorToWrite& tensor : tensors) {
    std::uint64_t bytes = dtype_bits(tensor.dtype) / 8;
    for (const auto size : tensor.shape) bytes *= static_cast<std::uint64_t>(size);
    if (bytes == tensor.nbytes) continue;
    zeros.emplace_back(bytes);
    tensor.data = zeros.back().data();
    tensor.nbytes = bytes;
  }
  write_safetensors(file.string() + ".new", tensors);
  std::filesystem::rename(file.string() + ".new", file);
}

// The one weights file of a part in its place as three shards and an index; gives the shards.
inline std::vector<std::filesystem::path> shard_weights(const std::filesystem::path& part) {
  namespace fs = std::filesystem;
  fs::path file;
  for (const auto& entry : fs::directory_iterator(part))
    if (entry.path().extension() == ".safetensors") file = entry.path();
  // NAME.safetensors or NAME.fp16.safetensors
  const std::string stem = file.stem().string(), name = stem.substr(0, stem.find('.'));
  const std::string variant = stem.substr(name.size());
  constexpr std::size_t kShards = 3;
  std::vector<std::vector<TensorToWrite>> tensors(kShards);
  nlohmann::json map;
  std::vector<fs::path> shards;
  for (std::size_t i = 0; i < kShards; ++i)
    shards.push_back(part / (name + variant + "-0000" + std::to_string(i + 1) + "-of-0000" +
                             std::to_string(kShards) + ".safetensors"));
  {
    const SafetensorsFile opened = SafetensorsFile::open(file);
    for (const TensorView& view : opened.tensors()) {
      const std::size_t shard = map.size() % kShards;
      tensors[shard].push_back({view.name, view.dtype, view.shape, view.data, view.nbytes});
      map[view.name] = shards[shard].filename().string();
    }
    for (std::size_t i = 0; i < kShards; ++i) write_safetensors(shards[i], tensors[i]);
  }
  fs::remove(file);
  std::ofstream(part / (name + ".safetensors.index" + variant + ".json"))
      << nlohmann::json{{"metadata", nlohmann::json::object()}, {"weight_map", map}};
  return shards;
}

}  // namespace hn::test
