// What the verbs share: exit codes, output, the open host.
#pragma once

#include <hnhost/hnhost.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <hn/cpp/error.hpp>
#include <string>
#include <string_view>

namespace hn::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

// A mistake on the command line: exit code 2. Everything else that fails is 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Options of every verb, and the verb that the command line chose.
struct Command {
  bool json = false;
  bool quiet = false;
  std::string plugin_path;
  std::string config;  // the file of --config, where the verb has the flag
  std::function<int()> run;
};

// --json, --quiet and --plugin-path on one verb.
void add_common(CLI::App& verb, Command& command);

// RAII over hnhost*. Its log goes to stderr: warnings and errors, with `quiet` errors alone.
class HostHandle {
 public:
  explicit HostHandle(const Command& command);
  ~HostHandle() { hnhost_close(raw_); }
  HostHandle(const HostHandle&) = delete;
  HostHandle& operator=(const HostHandle&) = delete;
  hnhost* get() const { return raw_; }

 private:
  hnhost* raw_ = nullptr;
};

// Calls a function of hnhost.h that answers with a text: call(hnhost_text** out, hn_error*).
// Throws hn::Error with the function's code and text.
std::string answer(const std::function<hn_status(hnhost_text**, hn_error*)>& call);

// Data for programs, on stdout.
void print_json(std::string_view json);

// One verb each: declares its options on the app and sets command.run when chosen.
void add_compare(CLI::App& app, Command& command);
void add_demo(CLI::App& app, Command& command);
void add_headroom(CLI::App& app, Command& command);
void add_inspect(CLI::App& app, Command& command);
void add_list(CLI::App& app, Command& command);
void add_new(CLI::App& app, Command& command);
void add_paper(CLI::App& app, Command& command);
void add_pull(CLI::App& app, Command& command);
void add_rewards(CLI::App& app, Command& command);
void add_try(CLI::App& app, Command& command);
void add_diagnose(CLI::App& app, Command& command);
void add_sample(CLI::App& app, Command& command);
void add_score(CLI::App& app, Command& command);
void add_search(CLI::App& app, Command& command);
void add_selftest(CLI::App& app, Command& command);
void add_train(CLI::App& app, Command& command);
void add_validate(CLI::App& app, Command& command);
void add_version(CLI::App& app, Command& command);

}  // namespace hn::cli
