#include "pull/snapshot.hpp"

#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>

#include "pull/repo_cache.hpp"
#include "support/cat.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;

// Names below the folder, with '/' between their parts. Links whose blob is gone are not files.
std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  auto entry = fs::recursive_directory_iterator(folder, failed);
  for (; !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
    std::error_code ignored;
    if (fs::is_regular_file(entry->path(), ignored))
      names.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  return names;
}

// The shards of an index that are not beside it.
void missing_shards(const fs::path& folder, const std::string& index,
                    std::vector<std::string>& missing) {
  const fs::path file = folder / index;
  const nlohmann::json json = read_json_file(file);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) return;
  std::string last;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string() || shard == last) continue;
    last = shard.get<std::string>();
    std::error_code ignored;
    if (!fs::exists(file.parent_path() / last, ignored))
      missing.push_back((fs::path(index).parent_path() / last).generic_string());
  }
}

// Of one repository, without parts.
std::optional<Snapshot> find_one(const ListedModel& model, const HubPlaces& places,
                                 const std::string& variant, std::vector<std::string>& lacking) {
  const RepoCache cache(places.cache, model.repo);
  const auto commit = places.cache.empty() ? std::nullopt : cache.commit_of(model.revision);
  const std::vector<std::string> names =
      commit ? files_in(cache.snapshot(*commit)) : std::vector<std::string>{};
  for (const std::string& pattern : model.patterns(variant)) {
    bool found = false;
    for (const std::string& name : names) {
      if (!matches(pattern, name) || model.leaves_out(name)) continue;
      found = true;
      if (name.ends_with(".safetensors.index.json"))
        missing_shards(cache.snapshot(*commit), name, lacking);
    }
    if (!found) lacking.push_back(pattern);
  }
  if (!lacking.empty() || !commit) return std::nullopt;
  const fs::path folder = cache.snapshot(*commit);
  return Snapshot{
      folder, model.weights == "." ? folder : folder / model.weights, *commit, variant, {}};
}

}  // namespace

std::optional<Snapshot> find_snapshot(const ListedModel& model, const HubPlaces& places,
                                      const std::string& variant,
                                      std::vector<std::string>* missing) {
  std::vector<std::string> all;
  auto found = find_one(model, places, variant, all);
  for (const ListedModel& part : model.parts) {
    std::vector<std::string> lacking;
    const auto beside = find_one(part, places, "", lacking);
    for (const std::string& file : lacking) all.push_back(cat(part.repo, " ", file));
    if (!beside) found.reset();
    if (found) found->options[part.option] = beside->weights;
  }
  if (missing != nullptr) *missing = all;
  return found;
}

std::optional<Snapshot> find_snapshot(const ListedModel& model, const HubPlaces& places,
                                      std::vector<std::string>* missing) {
  if (auto found = find_snapshot(model, places, "", missing)) return found;
  for (const auto& [variant, patterns] : model.variants)
    if (auto found = find_snapshot(model, places, variant, nullptr)) return found;
  return std::nullopt;
}

std::optional<Snapshot> pulled_weights(const std::vector<std::string>& names) {
  const WeightsList list = WeightsList::installed();
  for (const std::string& name : names)
    if (const ListedModel* model = list.find(name))
      if (auto snapshot = find_snapshot(*model, hub_places())) return snapshot;
  return std::nullopt;
}

std::optional<std::string> can_be_pulled(const std::vector<std::string>& names) {
  const WeightsList list = WeightsList::installed();
  for (const std::string& name : names)
    if (const ListedModel* model = list.find(name)) return model->name;
  return std::nullopt;
}

}  // namespace hn::pull
