// The suite from the helper's side: it loads the plugin once and forks the checks.
#pragma once

#include <string>
#include <string_view>

#include "apart/channel.hpp"
#include "validate/suite.hpp"

namespace hn::validate {

// What run_suite sends to the helper: one line of JSON.
std::string suite_request(const Subject& subject, const Plan& plan);

// Answers such a request with lines of JSON: {"job", "status", "text", "seconds"} for each row. The
// process must have no other thread. Throws hn::Error for a request that it cannot read.
void serve_suite(std::string_view request, apart::Channel& channel);

}  // namespace hn::validate
