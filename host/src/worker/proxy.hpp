// A plugin in a worker process, seen from the host as any other: a complete hn_plugin_v1.
//
// Options of create, beside those of the plugin: `bundle` says which one it is, and the
// `worker.*` ones (core::PluginPlace) how it runs. A worker that is gone is started again by the
// next call, and instance, functions and prompts are made again in it; what a forward kept is lost,
// so that its backward fails with HN_UNAVAILABLE.
#pragma once

#include <hn/plugin.h>

#include <string_view>

#include "core/session.hpp"
#include "loader/manifest.hpp"

namespace hn::worker {

// Valid for the life of the process; one for each id and version.
const hn_plugin_v1* proxy_entry(const std::string& id, const std::string& version);

// The `worker.*` options of create.
core::Options proxy_options(const core::PluginPlace& place, bool sandbox);

// proxy_entry and proxy_options with the manifest's facts.
core::Plugin proxy_plugin(const host::Manifest& manifest, const core::PluginPlace& place,
                          bool sandbox);

}  // namespace hn::worker
