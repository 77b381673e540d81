#include "registry/registry.hpp"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <utility>

#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/nearest.hpp"

namespace hn::host {
namespace {

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".hnp");
}

std::vector<std::string> plugin_names(const Manifest& m) {
  std::vector<std::string> names = m.aliases;
  names.insert(names.begin(), m.name);
  return names;
}

// Every name of one bundle that a user may type, without the id.
std::vector<std::string> all_names(const Manifest& m) {
  std::vector<std::string> names = plugin_names(m);
  for (const ModelSpec& model : m.models) {
    const std::vector<std::string> own = model.names();
    names.insert(names.end(), own.begin(), own.end());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool has_name(const Manifest& m, std::string_view name) {
  return m.id == name || holds(all_names(m), name);
}

// The broken bundle that claims a name of this one; null: none.
const BundleRow* in_front(const absl::flat_hash_map<std::string, const BundleRow*>& broken,
                          const Manifest& m) {
  if (broken.empty()) return nullptr;
  std::vector<std::string> own = all_names(m);
  own.push_back(m.id);
  own.push_back(m.bundle.filename().string());
  for (const std::string& name : own)
    if (const auto found = broken.find(name); found != broken.end()) return found->second;
  return nullptr;
}

}  // namespace

const RewardFacts& Choice::reward() const {
  return model != nullptr && model->reward ? *model->reward : *plugin->reward;
}

Registry::Registry(std::vector<SearchFolder> folders, const std::filesystem::path& user_models)
    : folders_(std::move(folders)) {
  for (BundleRow& row : scan(folders_)) rows_.push_back(std::move(row));
  shadow_duplicates();
  if (!user_models.empty()) add_user_models(user_models);
}

void Registry::shadow_duplicates() {
  // Names of rewards and of generators are told apart by the place where they are used; ids are
  // not.
  absl::flat_hash_map<std::string, const BundleRow*> ids, names[2], broken;
  for (BundleRow& row : rows_) {
    for (const std::string& name : row.claims) broken.emplace(name, &row);
    if (row.status != "ok") continue;
    // Whoever put a bundle in front of another of its name means that one, also when it cannot be
    // used: the other is not taken in its place.
    if (const auto* first = in_front(broken, *row.manifest)) {
      row.status = "shadowed";
      row.reason = cat("a broken bundle of its name stands in front of it: ", first->path.string());
      continue;
    }
    auto& taken = names[row.manifest->kind == PluginKind::kReward ? 0 : 1];
    const auto id = ids.find(row.manifest->id);
    if (id != ids.end()) {
      row.status = "shadowed";
      row.reason = cat("id ", row.manifest->id, " is taken by ", id->second->path.string());
      continue;
    }
    for (const std::string& name : all_names(*row.manifest)) {
      const auto other = taken.find(name);
      if (other == taken.end()) continue;
      row.status = "shadowed";
      row.reason = cat("the name '", name, "' is taken by ", other->second->path.string());
      break;
    }
    if (row.status != "ok") continue;
    ids[row.manifest->id] = &row;
    for (const std::string& name : all_names(*row.manifest)) taken[name] = &row;
  }
}

void Registry::add_user_models(const std::filesystem::path& folder) {
  std::error_code failed;
  std::vector<std::filesystem::path> files;
  auto entry = std::filesystem::directory_iterator(folder, failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed))
    if (entry->path().extension() == ".toml") files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    try {
      const auto find = [this](const std::string& name) { return choose(name, Want::kAny).plugin; };
      for (UserModel& user : read_user_models(file, find)) {
        std::vector<std::string> own = user.model.aliases;
        own.push_back(user.model.name);
        const std::vector<std::string> taken =
            names(user.plugin->kind == PluginKind::kReward ? Want::kReward : Want::kGenerator);
        for (const std::string& name : own)
          if (holds(taken, name))
            throw Error(HN_INVALID_ARGUMENT,
                        cat(file.string(), ": the name '", name, "' is taken already"));
        for (BundleRow& row : rows_)
          if (row.manifest && &*row.manifest == user.plugin)
            row.manifest->models.push_back(std::move(user.model));
      }
    } catch (const std::exception& e) {
      rows_.push_back({file, "broken", e.what(), std::nullopt});
    }
  }
}

std::vector<std::string> Registry::names(Want want) const {
  std::vector<std::string> all;
  for (const BundleRow& row : rows_) {
    if (row.status != "ok") continue;
    const bool reward = row.manifest->kind == PluginKind::kReward;
    if (want != Want::kAny && reward != (want == Want::kReward)) continue;
    const std::vector<std::string> own = all_names(*row.manifest);
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<std::string> Registry::missing_folders() const {
  std::vector<std::string> reasons;
  for (const BundleRow& row : rows_)
    for (const SearchFolder& folder : folders_)
      if (row.status == "broken" && row.claims.empty() && row.path == folder.path)
        reasons.push_back(row.reason);
  return reasons;
}

Choice Registry::by_path(const std::filesystem::path& bundle) const {
  const std::filesystem::path path = tidy(bundle);
  const auto known = [&](const std::deque<BundleRow>& rows) -> const Manifest* {
    for (const BundleRow& row : rows)
      if (row.path == path && row.manifest) return &*row.manifest;
    return nullptr;
  };
  const Manifest* found = known(rows_);
  if (found == nullptr) {
    const std::lock_guard lock(by_path_mutex_);
    found = known(by_path_);
    if (found == nullptr) {
      by_path_.push_back({path, "ok", "", read_manifest(path)});
      found = &*by_path_.back().manifest;
    }
  }
  return {found, found->default_model()};
}

void Registry::not_found(std::string_view name, Want want) const {
  const std::string kind = want == Want::kReward      ? "reward"
                           : want == Want::kGenerator ? "generator"
                                                      : "plugin or model";
  // A bundle of that name may be there, but broken: its reason helps more than near names.
  for (const BundleRow& row : rows_) {
    if (!row.claims.contains(std::string(name)) && !row.claims.contains(cat(name, ".hnp")))
      continue;
    std::string text = cat("no ", kind, " '", name, "': its bundle is broken: ", row.reason);
    for (const BundleRow& other : rows_)
      if (other.status == "shadowed" && has_name(*other.manifest, name))
        text +=
            cat("; ", other.path.string(),
                " of the same name is not used in its place: repair or remove ", row.path.string());
    throw Error(HN_NOT_FOUND, text);
  }
  if (want != Want::kAny && holds(names(Want::kAny), name))
    throw Error(HN_NOT_FOUND, cat("no ", kind, " '", name, "': it is a ",
                                  want == Want::kReward ? "generator" : "reward"));
  const std::vector<std::string> known = names(want);
  std::string text = cat("no ", kind, " '", name, "'");
  const std::vector<std::string> near = nearest(name, known);
  if (!near.empty()) text += cat("; did you mean '", absl::StrJoin(near, "' or '"), "'?");
  if (!known.empty())
    text += cat(near.empty() ? "; known: " : " Known: ", absl::StrJoin(known, ", "));
  const auto broken = std::count_if(rows_.begin(), rows_.end(),
                                    [](const BundleRow& row) { return row.status == "broken"; });
  if (broken != 0) text += cat("; broken bundles: ", broken, " (hnhost list names them)");
  text += cat(known.empty() ? "; none was found in " : "; searched: ", searched());
  throw Error(HN_NOT_FOUND, text);
}

// The folders in their order; those that somebody named and that cannot be searched say so.
std::string Registry::searched() const {
  return absl::StrJoin(folders_, ", ", [&](std::string* out, const SearchFolder& folder) {
    const auto broken = std::find_if(rows_.begin(), rows_.end(), [&](const BundleRow& row) {
      return row.status == "broken" && row.claims.empty() && row.path == folder.path;
    });
    out->append(broken == rows_.end() ? folder.path.string() : broken->reason);
  });
}

Choice Registry::choose(std::string_view name, Want want) const {
  if (is_path(name)) {
    const Choice choice = by_path(std::string(name));
    const bool reward = choice.plugin->kind == PluginKind::kReward;
    if (want != Want::kAny && reward != (want == Want::kReward))
      throw Error(HN_NOT_FOUND, cat(name, " is a ", kind_name(choice.plugin->kind)));
    return choice;
  }
  for (const BundleRow& row : rows_) {
    if (row.status != "ok") continue;
    const Manifest& m = *row.manifest;
    if (want != Want::kAny && (m.kind == PluginKind::kReward) != (want == Want::kReward)) continue;
    for (const ModelSpec& model : m.models)
      if (model.name == name || holds(model.aliases, name)) return {&m, &model};
    if (m.id != name && !holds(plugin_names(m), name)) continue;
    const ModelSpec* model = m.default_model();
    if (model == nullptr && !m.models.empty() && want != Want::kAny) {
      std::vector<std::string> models;
      for (const ModelSpec& each : m.models) models.push_back(each.name);
      throw Error(HN_INVALID_ARGUMENT, cat("'", name, "' has no default model; name one of ",
                                           absl::StrJoin(models, ", ")));
    }
    return {&m, model};
  }
  not_found(name, want);
}

Choice Registry::generator(std::string_view name) const { return choose(name, Want::kGenerator); }
Choice Registry::reward(std::string_view name) const { return choose(name, Want::kReward); }
Choice Registry::find(std::string_view name) const { return choose(name, Want::kAny); }

}  // namespace hn::host
