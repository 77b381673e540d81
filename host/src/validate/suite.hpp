// The contract suite: every promise of the ABI as one check, each run in a child process, on any
// plugin.
//
// To add a check: write `void name(Context&)` in the checks_*.cpp that it belongs to, throw Failure
// with what was wanted and what came, and add one row to that file's table.
#pragma once

#include <chrono>
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
  // Gives the checked entry, in the child: it loads the library, which this process never does.
  // Throws hn::Error.
  std::function<const hn_plugin_v1*()> open;
  core::Options options;  // of create and open
};

enum class Status { kPassed, kFailed, kSkipped, kCrashed, kTimedOut };
const char* status_name(Status);

struct Row {
  std::string check;     // "backward.linear"
  std::string function;  // "score", empty for checks of the whole plugin
  std::string what;      // one sentence: the promise
  Status status = Status::kPassed;
  std::string text;  // why it failed or was skipped
  double seconds = 0;
};

struct Limits {
  std::chrono::seconds per_check{300};
  std::string only;  // run the checks whose name contains this
};

// Runs every check. Never throws for anything the plugin does; call it before the process has
// threads of its own.
std::vector<Row> run_suite(const Subject&, const Limits& = {});

// No row failed, crashed or timed out.
bool all_good(const std::vector<Row>&);

// {"bundle", "id", "version", "ok", "passed", "failed", "skipped", "checks": [{"check", "function",
// "what", "status", "text", "seconds"}]}; status: passed, failed, skipped, crashed, timed_out (the
// last two count as failed).
std::string to_json(const Subject&, const std::vector<Row>&);

}  // namespace hn::validate
