#include "cli/cli_support.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace hn::test {

Process::Process(std::vector<std::string> arguments) {
  const std::string out = (folder_.path() / "out").string();
  const std::string err = (folder_.path() / "err").string();
  arguments.insert(arguments.begin(), HN_COMMAND);
  std::vector<char*> words;
  for (std::string& word : arguments) words.push_back(word.data());
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
  ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
  // The user's own plugins must not decide a test.
  ::setenv("HOME", "/nonexistent", 1);
  ::unsetenv("XDG_DATA_HOME");
  ::unsetenv("XDG_CONFIG_HOME");
  ::unsetenv("HN_PLUGIN_PATH");
  ::execv(words[0], words.data());
  ::_exit(127);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::send(int signal) const { ::kill(pid_, signal); }

Outcome Process::wait() {
  int status = 0;
  rusage usage{};
  ::wait4(pid_, &status, 0, &usage);
  pid_ = -1;
  Outcome outcome;
  outcome.peak_mib = usage.ru_maxrss >> 10;
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  outcome.out = read_bytes(folder_.path() / "out");
  outcome.err = read_bytes(folder_.path() / "err");
  return outcome;
}

Outcome hnhost(const std::vector<std::string>& arguments) { return Process(arguments).wait(); }

bool wait_for_step(const std::filesystem::path& run, unsigned step) {
  const std::string row = "{\"step\":" + std::to_string(step) + ",\"kind\":\"train\"";
  for (int tries = 0; tries < 9000; ++tries) {
    if (read_bytes(run / "metrics.jsonl").find(row) != std::string::npos) return true;
    if (std::filesystem::exists(run / "summary.json")) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::vector<std::string> tiny_training(const std::filesystem::path& folder,
                                       const std::filesystem::path& run, unsigned steps) {
  const auto prompts = folder / "prompts.txt";
  std::ofstream(prompts) << "a star\na red balloon\n";
  return {"--reward",
          "redness",
          "--measure",
          "redness",
          "--prompts",
          prompts.string(),
          "--eval-prompts",
          prompts.string(),
          "--sample-prompts",
          prompts.string(),
          "--steps",
          std::to_string(steps),
          "--batch",
          "2",
          "--rank",
          "2",
          "--threads",
          "1",
          "--set",
          "train.checkpoint_every=2",
          "--set",
          "train.warmup=2",
          "--out",
          run.string()};
}

std::vector<std::string> operator+(std::vector<std::string> left,
                                   const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace hn::test
