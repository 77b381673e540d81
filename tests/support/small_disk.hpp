// A disk without room, in two ways: a limit on the size of files, and a real file system of a few
// pages.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace hn::test {

// Lets no file of this process grow beyond `bytes`, so that a write ends in the middle; restored at
// the end.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous_);
    const rlimit limit{bytes, previous_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit previous_{};
  void (*previous_handler_)(int);
};

// Fills the file system that `file` is on to its last byte.
inline void fill_disk(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(4096, 'x');
  for (std::size_t size = block.size(); size > 0; size /= 2)
    while (::write(descriptor, block.data(), size) > 0) {
    }
  ::close(descriptor);
}

// Runs body in a child that sees a file system of `bytes` at `folder`, its own alone. True: no
// expectation of the child failed; nothing: this system lets nobody mount.
inline std::optional<bool> on_small_file_system(const std::filesystem::path& folder,
                                                std::size_t bytes,
                                                const std::function<void()>& body) {
  constexpr int kCannotMount = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    const bool own = ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    const std::string size = "size=" + std::to_string(bytes);
    if (!own || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) != 0)
      ::_exit(kCannotMount);
    try {
      body();
    } catch (const std::exception& e) {
      ADD_FAILURE() << "unexpected: " << e.what();
    }
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return false;
  if (WEXITSTATUS(status) == kCannotMount) return std::nullopt;
  return WEXITSTATUS(status) == 0;
}

}  // namespace hn::test
