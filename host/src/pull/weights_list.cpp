#include "pull/weights_list.hpp"

#include <absl/strings/str_join.h>
#include <fnmatch.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "loader/scan.hpp"
#include "pull/digest.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/nearest.hpp"
#include "support/toml_table.hpp"

namespace hn::pull {
namespace {

using host::cat;

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

// "owner/name", as the hub spells them; it becomes part of a folder's name.
bool good_repo(const std::string& repo) {
  const std::size_t slash = repo.find('/');
  const auto good = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of(kNameLetters) == std::string_view::npos &&
           part.front() != '.' && part.find("--") == std::string_view::npos &&
           part.find("..") == std::string_view::npos;
  };
  return slash != std::string::npos && good(std::string_view(repo).substr(0, slash)) &&
         good(std::string_view(repo).substr(slash + 1));
}

KnownFile read_known(host::TomlTable table, const std::string& key) {
  KnownFile known;
  if (const auto bytes = table.find_i64("bytes")) {
    if (*bytes < 0) table.fail("bytes", "expected 0 or more");
    known.bytes = static_cast<std::uint64_t>(*bytes);
  }
  known.sha256 = table.find_str("sha256").value_or("");
  if (!known.sha256.empty() && sum_kind(known.sha256) != Sum::kSha256)
    table.fail("sha256", cat("expected 64 lower-case hex digits for ", key));
  table.finish();
  return known;
}

// What a model and each of its parts have: a repository, and which files of it.
void read_repository(host::TomlTable& table, ListedModel& model) {
  model.repo = table.need_str("repo");
  if (!good_repo(model.repo))
    table.fail("repo", cat("expected OWNER/NAME of letters, digits, '-', '_' and '.', got '",
                           model.repo, "'"));
  model.revision = table.find_str("revision").value_or("main");
  if (model.revision.empty() || model.revision.find("..") != std::string::npos ||
      model.revision.front() == '/' ||
      model.revision.find_first_not_of(cat(kNameLetters, "/")) != std::string::npos)
    table.fail("revision", cat("expected a branch, a tag or a commit, got '", model.revision, "'"));
  model.files = table.find_list("files").value_or(std::vector<std::string>{});
  model.except = table.find_list("except").value_or(std::vector<std::string>{});
  model.weights = table.find_str("weights").value_or(".");
  model.licence = table.need_str("licence");
  model.licence_url = table.find_str("licence_url").value_or("");
  model.permissive = table.find_bool("permissive").value_or(false);
  if (table.has("known")) {
    auto known = table.need_table("known");
    for (const std::string& key : known.keys())
      model.known[key] = read_known(known.need_table(key), key);
    known.finish();
  }
}

ListedModel read_part(host::TomlTable table, const ListedModel& model) {
  ListedModel part;
  part.name = model.name;
  part.defined_in = model.defined_in;
  part.option = table.need_str("option");
  if (part.option.empty() || part.option == "weights")
    table.fail("option",
               cat("expected the plugin's option that gets the path, got '", part.option, "'"));
  for (const ListedModel& other : model.parts)
    if (other.option == part.option)
      table.fail("option", cat("'", part.option, "' is given twice"));
  read_repository(table, part);
  if (part.files.empty()) table.fail("files", "expected at least one pattern");
  table.finish();
  return part;
}

ListedModel read_model(host::TomlTable table, const std::string& file) {
  ListedModel model;
  model.defined_in = file;
  model.name = table.need_str("name");
  model.aliases = table.find_list("aliases").value_or(std::vector<std::string>{});
  model.summary = table.find_str("summary").value_or("");
  read_repository(table, model);
  if (table.has("variants")) {
    auto variants = table.need_table("variants");
    for (const std::string& key : variants.keys())
      model.variants[key == "default" ? "" : key] = *variants.find_list(key);
    variants.finish();
  }
  if (model.files.empty() && model.variants.empty())
    table.fail("files", "expected at least one pattern");
  for (auto& part : table.find_tables("parts"))
    model.parts.push_back(read_part(std::move(part), model));
  table.finish();
  return model;
}

}  // namespace

bool matches(const std::string& pattern, const std::string& file) {
  return ::fnmatch(pattern.c_str(), file.c_str(), 0) == 0;
}

std::vector<std::string> ListedModel::patterns(const std::string& variant) const {
  std::vector<std::string> all = files;
  const auto found = variants.find(variant);
  if (found == variants.end()) {
    if (variant.empty()) return all;
    std::vector<std::string> names;
    for (const auto& [name, patterns] : variants)
      if (!name.empty()) names.push_back(name);
    throw Error(HN_INVALID_ARGUMENT,
                cat("[pull ", name, "] variant: '", variant, "' is not known",
                    names.empty() ? "; there are none" : host::suggestion(variant, names)));
  }
  all.insert(all.end(), found->second.begin(), found->second.end());
  return all;
}

bool ListedModel::leaves_out(const std::string& file) const {
  return std::any_of(except.begin(), except.end(),
                     [&](const std::string& pattern) { return matches(pattern, file); });
}

WeightsList WeightsList::read(const std::vector<std::filesystem::path>& files) {
  WeightsList list;
  for (const std::filesystem::path& file : files) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) continue;
    auto table = host::TomlTable::parse(host::read_file(file), file.string());
    if (const auto schema = table.need_i64("schema"); schema != 1)
      table.fail("schema", cat("expected 1, got ", schema));
    for (auto& entry : table.find_tables("models")) {
      ListedModel model = read_model(std::move(entry), file.string());
      const auto same = std::find_if(list.models_.begin(), list.models_.end(),
                                     [&](const auto& m) { return m.name == model.name; });
      if (same != list.models_.end())
        *same = std::move(model);
      else
        list.models_.push_back(std::move(model));
    }
    table.finish();
  }
  return list;
}

WeightsList WeightsList::installed() {
  std::vector<std::filesystem::path> files = {host::share_folder() / "weights.toml"};
  const std::filesystem::path user = host::user_model_folder();
  if (!user.empty()) files.push_back(user.parent_path() / "weights.toml");
  return read(files);
}

const ListedModel* WeightsList::find(std::string_view name) const {
  for (const ListedModel& model : models_)
    if (model.name == name ||
        std::find(model.aliases.begin(), model.aliases.end(), name) != model.aliases.end())
      return &model;
  return nullptr;
}

const ListedModel& WeightsList::need(std::string_view name) const {
  if (const ListedModel* found = find(name)) return *found;
  std::vector<std::string> names;
  for (const ListedModel& model : models_) {
    names.push_back(model.name);
    names.insert(names.end(), model.aliases.begin(), model.aliases.end());
  }
  throw Error(HN_NOT_FOUND, cat("[pull] no weights '", name, "' in the list",
                                names.empty() ? "; it is empty" : host::suggestion(name, names)));
}

}  // namespace hn::pull
