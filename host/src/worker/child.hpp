// The worker as a process: started, ended, and what it ended of.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "worker/channel.hpp"

namespace hn::worker {

// HN_WORKER, else libexec/hn/hnhost-worker beside the folder of libhnhost.so.
std::filesystem::path worker_program();

class Child {
 public:
  Child() = default;
  // Starts the program with its end of a socket pair as descriptor 3, in a process group of its
  // own (an interrupt of the terminal is the host's to act on), standard output on standard error.
  // Errors: HN_NOT_FOUND (no such program), HN_UNAVAILABLE (no process).
  Child(const std::filesystem::path& program, const std::vector<std::string>& environment,
        Descriptor& host_end);
  Child(const Child&) = delete;
  Child& operator=(Child&& other) noexcept;
  ~Child() { end(std::chrono::milliseconds(0)); }

  pid_t pid() const { return pid_; }
  // Readable when the process ended; -1 where the kernel has none.
  int ended() const { return pidfd_.get(); }
  // Waits so long for it to end by itself, then kills it with its process group. Returns what it
  // ended of: "Segmentation fault (signal 11)", "exit code 3", "" after end() itself killed it.
  std::string end(std::chrono::milliseconds patience);

 private:
  pid_t pid_ = -1;
  Descriptor pidfd_;
};

// Of this process, with changes; sandboxed: without what may be a secret.
std::vector<std::string> worker_environment(bool sandboxed, std::int64_t threads,
                                            const std::string& library_path);

}  // namespace hn::worker
