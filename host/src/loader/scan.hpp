// Where bundles are looked for, and what stands there.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loader/manifest.hpp"

namespace hn::host {

// A found bundle. A broken one is a row with its reason, never a failure of the scan.
struct BundleRow {
  std::filesystem::path path;
  std::string status;  // "ok", "broken", "shadowed" (by an earlier bundle with the same id or name)
  std::string reason;  // empty when ok
  std::optional<Manifest> manifest;   // of ok and shadowed rows
  std::set<std::string> claims = {};  // of broken bundles: the names that it would have had
};

struct SearchFolder {
  std::filesystem::path path;
  bool expected = false;      // named by somebody: that it is absent is reported as a broken row
  std::string named_by = {};  // who that was, in messages: "HN_PLUGIN_PATH"
};

// The embedder's list, HN_PLUGIN_PATH (separated by ':'), $XDG_DATA_HOME/hn/plugins (else
// ~/.local/share/hn/plugins), the installation's folder. Doubles are left out.
std::vector<SearchFolder> search_path(const std::vector<std::string>& first);

// hn/plugins beside libhnhost.so (lib/ of a build or an install tree).
std::filesystem::path install_plugin_folder();
// The folder that libhnhost.so was loaded from.
std::filesystem::path library_folder();
// share/hn beside it; the build tree has links at the same place as the install tree.
std::filesystem::path share_folder();
// $XDG_CONFIG_HOME/hn/models, else ~/.config/hn/models; empty without a home.
std::filesystem::path user_model_folder();

// Reads the manifests of every *.hnp in the folders, in their order, alphabetically inside one.
std::vector<BundleRow> scan(const std::vector<SearchFolder>& folders);

// One bundle by its path, as a row.
BundleRow scan_bundle(const std::filesystem::path& bundle);

}  // namespace hn::host
