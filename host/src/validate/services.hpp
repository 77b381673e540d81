// hn_host_v1 over a map of options, for plugins under test: silent, and counting what it is asked.
#pragma once

#include <hn/host.h>

#include <cstdint>
#include <set>
#include <string>

#include "core/session.hpp"

namespace hn::validate {

const hn_host_v1* services();

// Which options were asked for in this process, by whatever type. [any-thread]
std::set<std::string> keys_read();
void forget_keys_read();

// How often the plugin called its host in this process. [any-thread]
struct ServiceCalls {
  std::uint64_t log = 0, is_cancelled = 0, progress = 0;
};
ServiceCalls service_calls();
// What is_cancelled answers from now on; no at first.
void answer_cancelled(bool yes);

// The options as the plugin sees them; the map must outlive the call that it is passed to.
inline const hn_config* as_config(const core::Options& options) {
  return reinterpret_cast<const hn_config*>(&options);
}

}  // namespace hn::validate
