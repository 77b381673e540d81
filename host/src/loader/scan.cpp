#include "loader/scan.hpp"

#include <absl/strings/str_split.h>
#include <dlfcn.h>

#include <algorithm>
#include <hn/cpp/error.hpp>

#include "loader/claims.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::host {
namespace {

// XDG folders must be absolute; anything else is to be ignored, as the specification says.
std::filesystem::path xdg_folder(const char* variable, const char* below_home) {
  const std::filesystem::path named = environment(variable);
  if (named.is_absolute()) return named;
  const std::filesystem::path home = home_folder();
  return home.empty() ? home : home / below_home;
}

}  // namespace

std::filesystem::path library_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&library_folder), &info) == 0 ||
      info.dli_fname == nullptr)
    throw Error(HN_INTERNAL, "[loader] cannot find the file that this code was loaded from");
  std::error_code failed;
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, failed);
  return (failed ? std::filesystem::absolute(info.dli_fname) : file).parent_path();
}

std::filesystem::path share_folder() {
  return (library_folder() / ".." / "share" / "hn").lexically_normal();
}

std::filesystem::path install_plugin_folder() { return library_folder() / "hn" / "plugins"; }

std::filesystem::path user_model_folder() {
  const std::filesystem::path base = xdg_folder("XDG_CONFIG_HOME", ".config");
  return base.empty() ? base : base / "hn" / "models";
}

std::vector<SearchFolder> search_path(const std::vector<std::string>& first) {
  std::vector<SearchFolder> all;
  for (const std::string& folder : first)
    if (!folder.empty()) all.push_back({tidy(folder), true, "the program's list"});
  const std::string list = environment("HN_PLUGIN_PATH");
  for (const absl::string_view part : absl::StrSplit(to_absl(list), ':', absl::SkipEmpty()))
    all.push_back({tidy(std::string(part)), true, "HN_PLUGIN_PATH"});
  const std::filesystem::path data = xdg_folder("XDG_DATA_HOME", ".local/share");
  if (!data.empty()) all.push_back({data / "hn" / "plugins", false});
  all.push_back({install_plugin_folder(), false});

  std::vector<SearchFolder> folders;
  for (SearchFolder& folder : all) {
    const auto same = [&](const SearchFolder& other) { return other.path == folder.path; };
    if (std::none_of(folders.begin(), folders.end(), same)) folders.push_back(std::move(folder));
  }
  return folders;
}

BundleRow scan_bundle(const std::filesystem::path& bundle) {
  BundleRow row;
  row.path = tidy(bundle);
  try {
    row.manifest = read_manifest(row.path);
    row.status = "ok";
  } catch (const std::exception& e) {
    row.status = "broken";
    row.reason = e.what();
    row.claims = claimed_names(row.path);
  }
  return row;
}

std::vector<BundleRow> scan(const std::vector<SearchFolder>& folders) {
  std::vector<BundleRow> rows;
  for (const SearchFolder& folder : folders) {
    // A bundle may stand in the list itself: handy while one is written.
    if (folder.path.extension() == ".hnp") {
      rows.push_back(scan_bundle(folder.path));
      continue;
    }
    std::error_code failed;
    std::vector<std::filesystem::path> bundles;
    auto entry = std::filesystem::directory_iterator(folder.path, failed);
    for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed))
      if (entry->path().extension() == ".hnp") bundles.push_back(entry->path());
    const bool absent = failed == std::errc::no_such_file_or_directory;
    if (failed && (folder.expected || !absent))
      rows.push_back({folder.path, "broken",
                      cat(folder.path.string(), ": cannot be searched: ", failed.message(),
                          folder.named_by.empty() ? "" : cat(" (", folder.named_by, ")")),
                      std::nullopt});
    std::sort(bundles.begin(), bundles.end());
    for (const std::filesystem::path& bundle : bundles) rows.push_back(scan_bundle(bundle));
  }
  return rows;
}

}  // namespace hn::host
