// Where a plugin runs: in this process, in a worker, or in a worker without rights.
#pragma once

#include <string>
#include <string_view>

#include "core/session.hpp"
#include "loader/manifest.hpp"

namespace hn::worker {

// Of a host: hnhost_options, else HN_ISOLATION, else kNeeded.
enum class Policy {
  kNever,      // no workers at all
  kNeeded,     // what the configuration puts there, and what cannot run in this process
  kUntrusted,  // and in a sandbox what stands outside of the installation, or others can change
  kAlways,     // every plugin; in a sandbox as with kUntrusted
};
// "never", "needed", "untrusted", "always", or "" for HN_ISOLATION. HN_INVALID_ARGUMENT.
Policy parse_policy(std::string_view text);

struct Placement {
  core::Isolation where = core::Isolation::kNone;  // never kAuto
  std::string why;                                 // for the log; empty: nothing to tell
};
// wanted: of the configuration. core_libtorch: as in open_plugin. installed: the folder of the
// plugins that came with the host. HN_PERMISSION where configuration and policy contradict.
Placement place(Policy policy, core::Isolation wanted, const host::Manifest& manifest,
                std::string_view core_libtorch, const std::filesystem::path& installed);

}  // namespace hn::worker
