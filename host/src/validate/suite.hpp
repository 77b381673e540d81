// The contract suite: every promise of the ABI as one check, each run in a child process, on any
// plugin. The children are forks of a helper process that has loaded the plugin and has no threads;
// the process that asks for the suite may have as many as it likes.
//
// To add a check: write `void name(Context&)` in the checks_*.cpp that it belongs to, throw Failure
// with what was wanted and what came, and add one row to that file's table.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::validate {

// What the manifest says about the plugin under test, and how it is to be created.
struct Subject {
  std::filesystem::path bundle;
  std::filesystem::path library;
  std::string id, version, kind;       // kind: "reward" or "generator"
  std::vector<std::string> functions;  // empty: those of the kind
  bool libtorch = false;
  bool weights = false;  // reads a weights folder or file
  // What a strict reader finds in the manifest, and the keys of its [[options]].
  std::string manifest_problem;
  std::vector<std::string> option_keys;
  core::Options options;  // of create and open
  // For tests: the library alone is opened, as it is, without a bundle around it.
  bool bare = false;
  // The host's core, for plugins with LibTorch.
  std::filesystem::path core_file;
  std::string core_libtorch;
};

// kNotRun: a check that it needs did not pass.
enum class Status { kPassed, kFailed, kSkipped, kCrashed, kTimedOut, kNotRun };
const char* status_name(Status);
Status status_of(std::string_view name);

struct Row {
  std::string check;     // "backward.linear"
  std::string function;  // "score", empty for checks of the whole plugin
  std::string what;      // one sentence: the promise
  Status status = Status::kPassed;
  std::string text;  // why it failed or was skipped; with kPassed a note
  double seconds = 0;
};

struct Plan {
  std::chrono::seconds per_check{300};
  // Names or patterns ("backward.*"); those that they need run too. Empty: every check.
  std::vector<std::string> checks;
  int side_by_side = 0;  // checks at a time; 0: one a core
  // Before each row is known, with the rows that are known.
  std::function<void(const std::string& check, std::uint64_t done, std::uint64_t total)> progress;
  std::function<bool()> cancelled;
};

// Runs the checks; rows come in the order of the tables. Throws HN_NOT_FOUND for a name or pattern
// that no check has (nearest named), HN_CANCELLED, and without the helper program; never for
// anything the plugin does. [any-thread]
std::vector<Row> run_suite(const Subject&, const Plan& = {});

// Every row passed or was skipped.
bool all_good(const std::vector<Row>&);

// {"bundle", "id", "version", "ok", "passed", "failed", "skipped", "not_run", "seconds",
// "checks": [{"check", "function", "what", "status", "text", "seconds"}]}; status: passed, failed,
// skipped, crashed, timed_out (these two count as failed), not_run. seconds: of the whole.
std::string to_json(const Subject&, const std::vector<Row>&, double seconds);
// {"checks": [{"check", "what", "each_function", "needs": [...]}]}
std::string list_json();

}  // namespace hn::validate
