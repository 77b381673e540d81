#include "loader/plugin_calls.hpp"

namespace hn::host {
namespace {

constinit core::PluginCalls g_calls;  // constant-initialised: a signal handler may read it any time

}  // namespace

core::PluginCalls& plugin_calls() { return g_calls; }

}  // namespace hn::host
