// The main job: train (or resume) in one run directory, sample before and after, score, report.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// hnhost_run without the ABI: config is TOML, the answer is summary.json's text. hooks may be NULL.
// A finished run of the same configuration is answered from its summary.
// Errors: those of Host::configure and RunDirectory; HN_CANCELLED after the checkpoint is written;
// what the session throws, with the last checkpoint left as it was.
std::string run_job(host::Host& host, std::string_view config, const hnhost_hooks* hooks);

}  // namespace hn::host
