// The table of the calls into plugins that run in this process: one, as signals are the process's.
#pragma once

#include "core/plugin_calls.hpp"

namespace hn::host {

core::PluginCalls& plugin_calls();

}  // namespace hn::host
