// From a checked manifest to a plugin's entry, and from the build tree to the core module.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"
#include "loader/manifest.hpp"

namespace hn::host {

// Opens the library of a bundle: hash compared with the manifest, LibTorch build id compared with
// core_libtorch ("none" for a host without a core), then dlopen (now, local, absolute path, never
// closed), and the entry read as data: sizes, ABI versions, id and version equal to the manifest's.
// Throws HN_DATA_LOSS (hash), HN_UNSUPPORTED (another LibTorch or a newer ABI), HN_INVALID_ARGUMENT
// (not a plugin, lying manifest). No code of the plugin but its static constructors runs.
// `warn` hears who else could have changed the bundle, and what loading it changed in the process.
core::Plugin open_plugin(const Manifest& manifest, std::string_view core_libtorch,
                         const std::function<void(const std::string&)>& warn = {});

// As open_plugin, in a process that has no core: whatever LibTorch the plugin was built with is
// what it needs there. HN_UNSUPPORTED where its library came with another one.
core::Plugin open_plugin_alone(const Manifest& manifest,
                               const std::function<void(const std::string&)>& warn = {});

// Checks an entry that was read from a library. Split off so that truncated and lengthened structs
// can be tested.
void check_entry(const hn_plugin_v1* entry, const Manifest& manifest);

// The core module, opened (now, local) on first use. Throws HN_NOT_FOUND without the file,
// HN_UNSUPPORTED when another build of LibTorch is already in the process.
const hnhost_core_v1& open_core(const std::filesystem::path& file, std::string_view libtorch);

// An object of this process whose file name begins with "libtorch_cpu.so".
struct LoadedLibtorch {
  std::string path, build_id;
};
std::vector<LoadedLibtorch> loaded_libtorch();

}  // namespace hn::host
