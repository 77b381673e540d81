// Runs the built command as a process, with its output caught.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "unit/sdk_test_files.hpp"

namespace hn::test {

struct Outcome {
  int code = -1;      // exit code, -1 when a signal ended it
  int signal = 0;     // that signal
  std::string out;    // stdout
  std::string err;    // stderr
  long peak_mib = 0;  // the most resident memory

  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

// A started hnhost; its output goes to files in a folder of its own.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  Outcome wait();

 private:
  TestFolder folder_;
  pid_t pid_ = -1;
};

// hnhost with these arguments, to its end.
Outcome hnhost(const std::vector<std::string>& arguments);

// Waits until metrics.jsonl of a run has a training row of `step`; false after a minute and a half,
// or when the run's summary is there already.
bool wait_for_step(const std::filesystem::path& run, unsigned step);

// The arguments of a training that takes seconds: `steps` steps of two samples, rank 2, one thread.
std::vector<std::string> tiny_training(const std::filesystem::path& folder,
                                       const std::filesystem::path& run, unsigned steps);

std::vector<std::string> operator+(std::vector<std::string> left,
                                   const std::vector<std::string>& right);

}  // namespace hn::test
