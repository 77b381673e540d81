// What a plugin that is not trusted may do in its worker: compute, and read what it was given.
//
// Each layer stands alone: resource limits, a seccomp filter (an allow list of system calls: no
// network, no other process, no file opened for writing), landlock (only the named files can be
// read). None can be taken back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hn::worker {

struct Limits {
  std::uint64_t memory_bytes = 0;  // private memory that can be written; 0: no limit
  std::uint64_t cpu_seconds = 0;   // of the process, all its threads together; 0: no limit
};
// HN_UNSUPPORTED where the system refuses a limit.
void set_limits(const Limits& limits);

struct SandboxReport {
  std::vector<std::string> in_force, missing;
};
// In the calling thread and those that it starts later; call it before there are others that could
// run a plugin's code. readable: files and folders beside the system's libraries; those that do not
// exist are left out. HN_UNSUPPORTED where the filter of system calls cannot be set: then nothing
// may be opened.
SandboxReport enter_sandbox(const std::vector<std::string>& readable);

}  // namespace hn::worker
