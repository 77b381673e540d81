// Runs a program to its end: what it printed, or an error that says why there is nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace my_reward_score_only {

struct ProgramLimits {
  double seconds = 60;              // wall clock; above 0
  std::size_t output = 1 << 20;     // bytes of standard output, more is an error
  std::function<bool()> cancelled;  // asked some ten times a second; may be empty
};

// words[0] is looked for in PATH, the program runs in `folder` with standard input closed, in a
// process group of its own, which is killed where a limit ends it. Returns its standard output.
// Errors, each with the program's name: HN_NOT_FOUND (cannot be started, or no such folder),
// HN_CANCELLED, HN_INTERNAL (took too long, printed too much, ended by a signal or with a code that
// is not 0: with the last of what it wrote to standard error). Any thread may call.
std::string run_program(const std::vector<std::string>& words, const std::filesystem::path& folder,
                        const ProgramLimits& limits);

}  // namespace my_reward_score_only
