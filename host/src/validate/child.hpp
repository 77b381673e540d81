// Runs code that cannot be trusted in a child process with a time limit.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "validate/suite.hpp"

namespace hn::validate {

struct Outcome {
  Status status = Status::kPassed;
  std::string text;
  double seconds = 0;
};

// body runs in a fork of this process and returns its outcome; a signal, an early exit or an
// overrun becomes an outcome of its own. The child's standard output goes to standard error, so
// that a plugin cannot spoil the caller's.
Outcome run_in_child(const std::function<Outcome()>& body, std::chrono::seconds limit);

}  // namespace hn::validate
