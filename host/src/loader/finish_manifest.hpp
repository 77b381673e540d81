// The last step of building a bundle: the author's manifest is checked, and what only the build
// knows is added.
#pragma once

#include <filesystem>
#include <string>

#include "loader/manifest.hpp"

namespace hn::host {

struct Finish {
  std::filesystem::path manifest;  // the author's
  std::filesystem::path library;   // as it was linked
  std::filesystem::path out;       // plugin.toml of the bundle
  PluginKind kind = PluginKind::kReward;
  std::string platform;  // "linux-x86_64"
  std::string libtorch;  // build id, or "none"
};

// Writes `out` (not again where nothing changed). The ABI's versions are those of the library's own
// entry. Where anything is wrong, an `out` of an earlier build is removed, so that it cannot be
// taken for this one's. Throws HN_INVALID_ARGUMENT with file and line for the manifest, and for a
// library without an entry.
void finish_manifest(const Finish& finish);

// The words of `hnhost_helper manifest`: KEY=VALUE with the names above. Returns the exit code.
int finish_manifest_command(int count, char** words);

}  // namespace hn::host
