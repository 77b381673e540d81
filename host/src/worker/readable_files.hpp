// Which files a worker's plugin needs.
#pragma once

#include <hn/cpp/config.hpp>
#include <string>
#include <vector>

#include "loader/manifest.hpp"

namespace hn::worker {

// The folder of the host's LibTorch for a plugin that was built with it; else empty: another one is
// found by the plugin's own run path, LD_LIBRARY_PATH or the system.
std::string library_path_for(const host::Manifest& manifest);

// Of a sandbox: the bundle, what its library links to, and every option that names something that
// exists, links inside of it followed. Absolute.
std::vector<std::string> readable_files(const host::Manifest& manifest, const Config& config,
                                        const std::string& library_path);

}  // namespace hn::worker
