// What a trained adapter does to noise and pictures, beyond the means of a report.
#pragma once

#include <string>
#include <string_view>

#include "host/host.hpp"

namespace hn::host {

// The work behind hnhost_diagnose; docs/cli.md, diagnose, has the keys of request and answer.
std::string diagnose_job(Host& host, std::string_view request, const hnhost_hooks* hooks);

}  // namespace hn::host
