// What can be named: rewards, generators and models, by name, alias, id or path of a bundle (a name
// with a '/' in it, or one that ends in ".hnp", is a path).
#pragma once

#include <deque>
#include <filesystem>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "loader/manifest.hpp"
#include "loader/scan.hpp"

namespace hn::host {

// What a name stands for. The pointers live as long as the registry.
struct Choice {
  const Manifest* plugin = nullptr;
  const ModelSpec* model = nullptr;  // null for a plugin without models

  // Facts of a reward, with the model's changes.
  const RewardFacts& reward() const;
};

// Made from a scan and constant afterwards; bundles named by their path are kept beside it. Every
// const function is [any-thread].
class Registry {
 public:
  Registry(std::vector<SearchFolder> folders, const std::filesystem::path& user_models);

  // HN_NOT_FOUND lists the nearest names, where was looked and what of it is not there; a name of
  // the other kind is said so, a name of a broken bundle gives its reason.
  Choice generator(std::string_view name) const;
  Choice reward(std::string_view name) const;
  // Any kind; for inspect.
  Choice find(std::string_view name) const;

  // The JSON of hnhost_list and hnhost_inspect; docs/embedding.md lists the fields.
  nlohmann::json list(std::string_view kind) const;
  nlohmann::json inspect(std::string_view name) const;
  // The JSON of hnhost_rewards without what was measured: a row for each reward and set of weights
  // that has a name.
  nlohmann::json catalogue() const;

  const std::deque<BundleRow>& rows() const { return rows_; }
  // Reasons, one a folder that somebody named and that cannot be searched.
  std::vector<std::string> missing_folders() const;

 private:
  enum class Want { kAny, kReward, kGenerator };
  Choice choose(std::string_view name, Want want) const;
  Choice by_path(const std::filesystem::path& bundle) const;
  [[noreturn]] void not_found(std::string_view name, Want want) const;
  std::vector<std::string> names(Want want) const;
  std::string searched() const;
  void add_user_models(const std::filesystem::path& folder);
  void shadow_duplicates();

  std::vector<SearchFolder> folders_;
  std::deque<BundleRow> rows_;
  mutable std::mutex by_path_mutex_;
  mutable std::deque<BundleRow> by_path_;  // a deque: rows stay in place when another is added
};

}  // namespace hn::host
