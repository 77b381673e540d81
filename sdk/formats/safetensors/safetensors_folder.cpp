#include <algorithm>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/dtype.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/safetensors.hpp>
#include <set>

#include "formats/safetensors/shard_index.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;

std::string label(const fs::path& path) { return "[safetensors] " + path.string() + ": "; }

bool is_index(const fs::path& path) { return path.extension() == ".json"; }

// The names one variant can have, in the order of preference.
std::vector<std::string> candidate_names(const std::string& variant) {
  std::vector<std::string> patterns = {"%.safetensors", "%.safetensors.index.json"};
  if (!variant.empty()) {
    patterns = {"%." + variant + ".safetensors", "%.safetensors.index." + variant + ".json",
                "%." + variant + ".safetensors.index.json"};
  }
  std::vector<std::string> names;
  for (const char* stem : {"model", "diffusion_pytorch_model", "adapter_model"}) {
    for (const std::string& pattern : patterns) names.emplace_back(pattern).replace(0, 1, stem);
  }
  return names;
}

}  // namespace

std::optional<fs::path> find_safetensors(const fs::path& folder, const std::string& variant,
                                         std::string& tried) {
  std::vector<std::string> names = candidate_names(variant);
  if (variant.empty()) {
    for (const char* fallback : {"bf16", "fp16"}) {
      const std::vector<std::string> more = candidate_names(fallback);
      names.insert(names.end(), more.begin(), more.end());
    }
  }
  tried.clear();
  for (const std::string& name : names) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
    tried += (tried.empty() ? "" : ", ") + name;
  }
  return std::nullopt;
}

std::map<std::string, std::string> read_shard_index(const fs::path& index) {
  const nlohmann::json json = read_json_file(index);
  JsonObject object(json, label(index) + "index");
  const nlohmann::json& map = object.member("weight_map");
  if (!map.is_object()) object.fail("weight_map", "an object from tensor names to shard files");
  std::map<std::string, std::string> result;
  for (const auto& [tensor, shard] : map.items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : std::string();
    // A shard lies beside its index; a path would let an index reach any file of the machine.
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      throw Error(HN_DATA_LOSS, label(index) + "weight_map: tensor \"" + tensor +
                                    "\": expected a file name in the same folder, got " +
                                    shard.dump());
    }
    result[tensor] = name;
  }
  return result;
}

std::optional<std::string> differing_copies(const std::string& tensor,
                                            const std::vector<ShardTensor>& shards) {
  for (std::size_t i = 1; i < shards.size(); ++i) {
    const ShardTensor &a = shards[0], &b = shards[i];
    const bool same = a.dtype == b.dtype && a.shape == b.shape && a.bytes == b.bytes &&
                      (a.bytes == 0 || std::memcmp(a.data, b.data, a.bytes) == 0);
    if (!same)
      return "\"" + tensor + "\" is in " + a.shard + " and in " + b.shard +
             ", with different contents";
  }
  return std::nullopt;
}

namespace {

// Tensors that several of the files have, but not the same in each.
std::string contradictions(const std::vector<SafetensorsFile>& files) {
  std::map<std::string_view, std::vector<ShardTensor>> copies;
  for (const SafetensorsFile& file : files)
    for (const TensorView& view : file.tensors())
      copies[view.name].push_back(
          {file.path().filename().string(), view.dtype, view.shape, view.data, view.nbytes});
  std::string text;
  for (const auto& [name, shards] : copies)
    if (const auto differing = differing_copies(std::string(name), shards))
      text += (text.empty() ? "" : ", ") + *differing;
  return text;
}

fs::path find_in_folder(const fs::path& folder, const std::string& variant) {
  std::string tried;
  if (auto file = find_safetensors(folder, variant, tried)) return *file;
  throw Error(HN_NOT_FOUND,
              label(folder) + "expected one of " + tried + ", got a folder without them");
}

}  // namespace

SafetensorsFolder SafetensorsFolder::open(const fs::path& path, std::string_view variant) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(
        HN_NOT_FOUND,
        label(path) + "expected a .safetensors file, an index or a folder, got nothing there");
  SafetensorsFolder result;
  result.path_ = path;
  const fs::path file =
      fs::is_directory(path, ignored) ? find_in_folder(path, std::string(variant)) : path;

  if (!is_index(file)) {
    result.files_.push_back(SafetensorsFile::open(file));
    for (const TensorView& view : result.files_[0].tensors())
      result.tensors_[view.name] = {0, &view};
    return result;
  }

  const std::map<std::string, std::string> weight_map = read_shard_index(file);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  std::map<std::string, std::size_t> shard_number;
  std::string absent, broken;
  hn_status code = HN_OK;
  for (const std::string& shard : shards) {
    if (!fs::is_regular_file(file.parent_path() / shard, ignored)) {
      absent += (absent.empty() ? "" : ", ") + shard;
      continue;
    }
    try {
      result.files_.push_back(SafetensorsFile::open(file.parent_path() / shard));
      shard_number[shard] = result.files_.size() - 1;
    } catch (const Error& error) {
      if (code == HN_OK) code = error.code();
      broken += std::string(broken.empty() ? "" : "\n") + error.what();
    }
  }
  if (!absent.empty())
    throw Error(HN_NOT_FOUND,
                label(file) + "expected the shards that weight_map names, got none of: " + absent +
                    (broken.empty() ? "" : "\n") + broken);
  if (!broken.empty()) throw Error(code, broken);

  std::string lies = contradictions(result.files_);
  for (const auto& [tensor, shard] : weight_map) {
    const std::size_t number = shard_number.at(shard);
    if (const TensorView* view = result.files_[number].find(tensor)) {
      result.tensors_[tensor] = {number, view};
      continue;
    }
    lies.append(lies.empty() ? "\"" : ", \"").append(tensor).append("\" is not in ").append(shard);
    for (const SafetensorsFile& other : result.files_) {
      if (other.find(tensor) != nullptr)
        lies += " (but in " + other.path().filename().string() + ")";
    }
  }
  if (!lies.empty())
    throw Error(
        HN_DATA_LOSS,
        label(file) + "expected every tensor in the shard that weight_map names, got: " + lies);
  return result;
}

std::vector<std::string> SafetensorsFolder::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : tensors_) names.push_back(name);
  return names;
}

const TensorView* SafetensorsFolder::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second.view;
}

const TensorView& SafetensorsFolder::at(std::string_view name) const {
  if (const TensorView* found = find(name)) return *found;
  throw Error(HN_NOT_FOUND, label(path_) + "expected the tensor \"" + std::string(name) +
                                "\", got " + std::to_string(tensors_.size()) + " others" +
                                nearest_hint(name, names()));
}

std::shared_ptr<const void> SafetensorsFolder::keep_alive(std::string_view name) const {
  at(name);
  return files_[tensors_.find(name)->second.file].keep_alive();
}

void SafetensorsFolder::release(std::string_view name) const {
  const TensorView& view = at(name);
  files_[tensors_.find(name)->second.file].release(view);
}

void SafetensorsFolder::require(std::span<const std::string> names) const {
  std::string missing;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (find(name) != nullptr) continue;
    missing += (missing.empty() ? "" : ", ") + name;
    ++count;
  }
  if (count > 0) {
    throw Error(HN_NOT_FOUND, label(path_) + "expected " + std::to_string(names.size()) +
                                  " tensors, got " + std::to_string(count) +
                                  " missing: " + missing);
  }
}

void SafetensorsFolder::require(std::span<const ExpectedTensor> expected) const {
  std::string wrong;
  std::size_t count = 0;
  for (const ExpectedTensor& want : expected) {
    const TensorView* found = find(want.name);
    if (found != nullptr && found->shape == want.shape) continue;
    wrong += (wrong.empty() ? "" : "; ") + want.name + " " + stored_shape_text(want.shape) + " " +
             (found == nullptr ? "is missing" : "has shape " + stored_shape_text(found->shape));
    ++count;
  }
  if (count > 0) {
    throw Error(HN_DATA_LOSS, label(path_) + "expected " + std::to_string(expected.size()) +
                                  " tensors, got " + std::to_string(count) +
                                  " missing or of another shape: " + wrong);
  }
}

std::vector<std::string> SafetensorsFolder::unexpected(std::span<const std::string> known) const {
  const std::set<std::string_view> set(known.begin(), known.end());
  std::vector<std::string> extra;
  for (const auto& [name, entry] : tensors_) {
    if (!set.contains(name)) extra.push_back(name);
  }
  return extra;
}

}  // namespace hn
