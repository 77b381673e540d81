#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/weight_files.hpp>
#include <optional>
#include <set>
#include <utility>

#include "formats/safetensors/shard_index.hpp"

namespace hn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOtherNames[] = {"pytorch_model.bin",
                                       "pytorch_model.bin.index.json",
                                       "diffusion_pytorch_model.bin",
                                       "diffusion_pytorch_model.bin.index.json",
                                       "adapter_model.bin",
                                       "open_clip_model.safetensors",
                                       "open_clip_pytorch_model.safetensors",
                                       "open_clip_pytorch_model.bin"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_torch_name(const fs::path& path) {
  const std::string end = path.extension().string();
  return end == ".pt" || end == ".pth" || end == ".bin" || end == ".ckpt";
}

// Every file of the folder that could hold weights, sorted.
std::vector<fs::path> candidates(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& item : fs::directory_iterator(folder)) {
    if (is_file(item.path()) &&
        (is_torch_name(item.path()) || item.path().extension() == ".safetensors"))
      found.push_back(item.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path choose(const fs::path& folder, std::initializer_list<const char*> preferred) {
  for (const char* name : preferred)
    if (is_file(folder / name)) return folder / name;
  std::string tried;
  if (const auto file = find_safetensors(folder, "", tried)) return *file;
  for (const char* name : kOtherNames)
    if (is_file(folder / name)) return folder / name;
  const std::vector<fs::path> found = candidates(folder);
  if (found.size() == 1) return found[0];
  std::string wanted;
  for (const char* name : preferred) wanted += std::string(name) + ", ";
  wanted += tried;
  for (const char* name : kOtherNames) wanted += std::string(", ") + name;
  std::string got;
  for (const fs::path& path : found) got += (got.empty() ? "" : ", ") + path.filename().string();
  throw Error(HN_NOT_FOUND, "[weights] " + folder.string() + ": expected one of " + wanted +
                                ", or a single weights file of another name, got " +
                                (found.empty() ? "none" : "several: " + got + " (name one)"));
}

// Tensors that several shards have, but not the same in each.
std::string contradictions(const std::map<std::string, WeightFiles>& shards) {
  std::map<std::string, std::vector<ShardTensor>> copies;
  for (const auto& [shard, files] : shards)
    for (const std::string& name : files.names()) {
      const StridedView& view = files.at(name);
      copies[name].push_back({shard, view.dtype, view.shape, view.data, view.extent_bytes()});
    }
  std::string text;
  for (const auto& [name, tensors] : copies)
    if (const auto differing = differing_copies(name, tensors))
      text += (text.empty() ? "" : ", ") + *differing;
  return text;
}

}  // namespace

WeightFiles WeightFiles::open(const fs::path& path, std::initializer_list<const char*> preferred) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(HN_NOT_FOUND, "[weights] " + path.string() +
                                  ": expected a weights file, an index or a folder, got nothing "
                                  "there");
  const fs::path file = fs::is_directory(path, ignored) ? choose(path, preferred) : path;
  if (file.extension() == ".json") return open_index(file);
  return open_file(file);
}

WeightFiles WeightFiles::open_file(const fs::path& file) {
  // By its content, since safetensors also go by ".bin"; but what is named .safetensors is opened
  // as nothing else.
  if (file.extension() == ".safetensors" || is_safetensors_file(file))
    return {SafetensorsFolder::open(file)};
  if (is_torch_name(file) || looks_like_torch_file(file)) return WeightFiles(TorchFile::open(file));
  return {SafetensorsFolder::open(file)};
}

WeightFiles WeightFiles::open_index(const fs::path& index) {
  const std::map<std::string, std::string> weight_map = read_shard_index(index);
  if (std::all_of(weight_map.begin(), weight_map.end(),
                  [](const auto& entry) { return entry.second.ends_with(".safetensors"); }))
    return {SafetensorsFolder::open(index)};
  std::map<std::string, WeightFiles> shards;
  std::set<std::string> absent;
  for (const auto& [tensor, shard] : weight_map) {
    if (!is_file(index.parent_path() / shard))
      absent.insert(shard);
    else if (!shards.contains(shard))
      shards.emplace(shard, open_file(index.parent_path() / shard));
  }
  if (!absent.empty()) {
    std::string names;
    for (const std::string& shard : absent) names += (names.empty() ? "" : ", ") + shard;
    throw Error(HN_NOT_FOUND,
                "[weights] " + index.string() +
                    ": expected the shards that weight_map names, got none of: " + names);
  }
  auto state = std::make_shared<State>();
  state->path = index;
  std::string lies = contradictions(shards);
  for (const auto& [tensor, shard] : weight_map) {
    const WeightFiles& files = shards.at(shard);
    if (files.find(tensor) == nullptr)
      lies.append(lies.empty() ? "\"" : ", \"")
          .append(tensor)
          .append("\" is not in ")
          .append(shard);
    else
      state->tensors.emplace(tensor, files.entry(tensor));
  }
  if (!lies.empty())
    throw Error(HN_DATA_LOSS, "[weights] " + index.string() +
                                  ": expected every tensor in the shard that weight_map names, "
                                  "got: " +
                                  lies);
  return WeightFiles(std::move(state));
}

WeightFiles::WeightFiles(const SafetensorsFolder& folder) {
  auto state = std::make_shared<State>();
  state->path = folder.path();
  const auto shared = std::make_shared<const SafetensorsFolder>(folder);
  for (const std::string& name : folder.names()) {
    const TensorView& stored = folder.at(name);
    state->tensors[name] = {
        {name, stored.dtype, stored.shape, contiguous_strides(stored.shape), stored.data},
        folder.keep_alive(name),
        [shared, name] { shared->release(name); }};
  }
  state_ = std::move(state);
}

WeightFiles::WeightFiles(const TorchFile& file) {
  auto state = std::make_shared<State>();
  state->path = file.path();
  for (const StridedView& view : file.tensors())
    state->tensors[view.name] = {view, file.keep_alive(), [file, view] { file.release(view); }};
  state_ = std::move(state);
}

WeightFiles WeightFiles::listing(std::vector<StridedView> views, fs::path where) {
  auto state = std::make_shared<State>();
  state->path = std::move(where);
  for (StridedView& view : views) {
    std::string name = view.name;
    state->tensors[std::move(name)] = {std::move(view), nullptr, [] {}};
  }
  return WeightFiles(std::move(state));
}

const fs::path& WeightFiles::path() const { return state_->path; }
std::size_t WeightFiles::size() const { return state_->tensors.size(); }

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : state_->tensors) names.push_back(name);
  return names;
}

const StridedView* WeightFiles::find(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  return found == state_->tensors.end() ? nullptr : &found->second.view;
}

const WeightFiles::Entry& WeightFiles::entry(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  if (found != state_->tensors.end()) return found->second;
  throw Error(HN_NOT_FOUND, "[weights] " + state_->path.string() + ": expected the tensor \"" +
                                spelling(std::string(name)) + "\", got " + std::to_string(size()) +
                                " others" + nearest_hint(name, names()));
}

const StridedView& WeightFiles::at(std::string_view name) const { return entry(name).view; }
std::shared_ptr<const void> WeightFiles::keep_alive(std::string_view name) const {
  return entry(name).keep;
}
void WeightFiles::release(std::string_view name) const { entry(name).release(); }

WeightFiles WeightFiles::renamed(std::vector<Renamed> views,
                                 std::function<std::string(const std::string&)> spelling) const {
  auto state = std::make_shared<State>();
  state->path = state_->path;
  state->spelling = std::move(spelling);
  for (Renamed& item : views) {
    Entry copy = entry(item.from);
    copy.view = std::move(item.view);
    std::string name = copy.view.name;
    if (!state->tensors.emplace(name, std::move(copy)).second)
      throw Error(HN_DATA_LOSS, "[weights] " + state_->path.string() +
                                    ": expected one tensor for \"" + name + "\", got \"" +
                                    item.from + "\" beside another");
  }
  return WeightFiles(std::move(state));
}

std::string WeightFiles::spelling(const std::string& name) const {
  return state_->spelling ? state_->spelling(name) : name;
}

}  // namespace hn
