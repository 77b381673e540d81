#include "pull/verify.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "pull/digest.hpp"
#include "pull/repo_cache.hpp"
#include "support/cat.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;
using nlohmann::ordered_json;

struct Known {
  std::string sum;
  const char* by = "";
};

// By the name of the blob that the file is, or is a link to.
std::optional<Known> known_by_cache(const fs::path& file) {
  std::error_code failed;
  const fs::path real = fs::canonical(file, failed);
  const std::string name = real.filename().string();
  if (failed || real.parent_path().filename() != "blobs" || sum_kind(name) == Sum::kNone)
    return std::nullopt;
  return Known{name, "cache"};
}

// Models and their parts.
std::vector<const ListedModel*> repositories(const WeightsList& list) {
  std::vector<const ListedModel*> all;
  for (const ListedModel& model : list.models()) {
    all.push_back(&model);
    for (const ListedModel& part : model.parts) all.push_back(&part);
  }
  return all;
}

// For the file at .../models--OWNER--NAME/snapshots/COMMIT/FILE.
std::optional<Known> known_by_list(const fs::path& file, const WeightsList& list) {
  for (const ListedModel* model : repositories(list)) {
    if (model->known.empty()) continue;
    const fs::path folder = RepoCache({}, model->repo).folder();  // its name alone
    fs::path cache = file.parent_path();
    while (cache.has_relative_path() && cache.filename() != folder) cache = cache.parent_path();
    if (!cache.has_relative_path()) continue;
    const RepoCache repo(cache.parent_path(), model->repo);
    const auto commit = repo.commit_of(model->revision);
    if (!commit) continue;
    const auto known =
        model->known.find(file.lexically_relative(repo.snapshot(*commit)).generic_string());
    if (known != model->known.end() && !known->second.sha256.empty())
      return Known{known->second.sha256, "list"};
  }
  return std::nullopt;
}

// "NAME: FILE" of the list that has this very sum.
std::string named_by_list(const std::string& sha256, const WeightsList& list) {
  for (const ListedModel* model : repositories(list))
    for (const auto& [name, known] : model->known)
      if (known.sha256 == sha256) return cat(model->repo, ": ", name);
  return "";
}

class Check {
 public:
  Check(const fs::path& root, const WeightsList& list,
        const std::function<void(const std::string&, std::uint64_t, std::uint64_t)>& advance)
      : root_(root), list_(list), advance_(advance) {}

  ordered_json run() {
    find();
    for (const fs::path& file : files_) {
      std::error_code ignored;
      const std::uintmax_t size = fs::file_size(file, ignored);
      if (!ignored) total_ += size;
    }
    ordered_json answer;
    answer["path"] = root_.string();
    answer["files"] = ordered_json::array();
    std::uint64_t right = 0, wrong = 0, unknown = 0;
    for (const fs::path& file : files_) {
      answer["files"].push_back(check(file));
      const std::string state = answer["files"].back().at("state");
      ++(state == "right" ? right : state == "wrong" ? wrong : unknown);
    }
    answer["right"] = right;
    answer["wrong"] = wrong;
    answer["unknown"] = unknown;
    return answer;
  }

 private:
  void find() {
    std::error_code failed;
    if (!fs::exists(root_, failed) && !fs::is_symlink(root_, failed))
      throw Error(HN_NOT_FOUND, cat("[verify] ", root_.string(), " does not exist"));
    if (!fs::is_directory(root_, failed)) {
      files_.push_back(root_);
      return;
    }
    auto entry = fs::recursive_directory_iterator(root_, failed);
    for (; !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed))
      if (entry->is_symlink() || entry->is_regular_file()) {
        // Links to folders are not followed.
        if (!fs::is_directory(entry->path())) files_.push_back(entry->path());
      }
    if (failed)
      throw Error(HN_NOT_FOUND,
                  cat("[verify] ", root_.string(), " cannot be read: ", failed.message()));
    std::sort(files_.begin(), files_.end());
  }

  std::string name_of(const fs::path& file) const {
    return file == root_ ? file.filename().string()
                         : file.lexically_relative(root_).generic_string();
  }

  std::string sum(const fs::path& file, Sum kind) {
    return file_sum(file, kind, [&](std::uint64_t n) {
      done_ += n;
      if (advance_) advance_(name_of(file), done_, std::max(total_, done_));
    });
  }

  ordered_json check(const fs::path& file) {
    ordered_json row = {{"file", name_of(file)}, {"bytes", nullptr}, {"state", "unknown"}};
    std::error_code failed;
    const auto wrong = [&](const std::string& problem) {
      row["state"] = "wrong";
      row["problem"] = problem;
      return row;
    };
    if (!fs::exists(file, failed))
      return wrong(cat("a link to ", fs::read_symlink(file, failed).string(), ", which is gone"));
    if (!fs::is_regular_file(file, failed)) return wrong("no regular file");
    row["bytes"] = fs::file_size(file, failed);
    try {
      std::vector<Known> all;
      for (const auto& known : {known_by_cache(file), known_by_list(file, list_)})
        if (known) all.push_back(*known);
      if (all.empty()) return unknown(file, row);
      for (const Known& known : all) {
        const Sum kind = sum_kind(known.sum);
        const std::string got = sum(file, kind);
        row["by"] = known.by;
        row["kind"] = sum_name(kind);
        row["expected"] = known.sum;
        row["got"] = got;
        if (got != known.sum)
          return wrong(cat("expected ", sum_name(kind), " ", known.sum, ", got ", got));
      }
      row["state"] = "right";
      return row;
    } catch (const Error& error) {
      if (error.code() == HN_CANCELLED) throw;
      return wrong(error.what());
    }
  }

  ordered_json unknown(const fs::path& file, ordered_json row) {
    row["kind"] = sum_name(Sum::kSha256);
    row["got"] = sum(file, Sum::kSha256);
    if (const std::string name = named_by_list(row["got"], list_); !name.empty()) {
      row["state"] = "right";
      row["by"] = "list";
      row["expected"] = row["got"];
      row["name"] = name;
    }
    return row;
  }

  const fs::path& root_;
  const WeightsList& list_;
  const std::function<void(const std::string&, std::uint64_t, std::uint64_t)>& advance_;
  std::vector<fs::path> files_;
  std::uint64_t total_ = 0, done_ = 0;
};

}  // namespace

ordered_json verify(
    const fs::path& path, const WeightsList& list,
    const std::function<void(const std::string&, std::uint64_t, std::uint64_t)>& advance) {
  return Check(path, list, advance).run();
}

}  // namespace hn::pull
