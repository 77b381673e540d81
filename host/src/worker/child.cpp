#include "worker/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "loader/scan.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

namespace hn::worker {
namespace {

using host::cat;
using Clock = std::chrono::steady_clock;

constexpr int kChannel = 3;

// posix_spawn's lists free themselves.
struct Actions {
  Actions() { ::posix_spawn_file_actions_init(&raw); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&raw); }
  posix_spawn_file_actions_t raw;
};
struct Attributes {
  Attributes() { ::posix_spawnattr_init(&raw); }
  ~Attributes() { ::posix_spawnattr_destroy(&raw); }
  posix_spawnattr_t raw;
};

std::string told(int status) {
  if (WIFSIGNALED(status))
    return cat(::strsignal(WTERMSIG(status)), " (signal ", WTERMSIG(status), ")",
               WTERMSIG(status) == SIGKILL ? "; the kernel does that where memory runs out" : "");
  return cat("exit code ", WEXITSTATUS(status));
}

}  // namespace

std::filesystem::path worker_program() {
  if (const std::string named = host::environment("HN_WORKER"); !named.empty()) return named;
  return (host::library_folder() / ".." / "libexec" / "hn" / "hnhost-worker").lexically_normal();
}

Child::Child(const std::filesystem::path& program, const std::vector<std::string>& environment,
             Descriptor& host_end) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(program, failed))
    throw Error(HN_NOT_FOUND, cat("[worker] the program of worker processes is missing: ",
                                  program.string(), " (HN_WORKER names another)"));
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(HN_UNAVAILABLE, cat("[worker] no socket pair: ", std::strerror(errno)));
  Descriptor ours(ends[0]), theirs(ends[1]);
  // dup2 of a descriptor onto itself would leave it closed on exec.
  if (theirs.get() == kChannel) theirs = Descriptor(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));

  Actions actions;
  ::posix_spawn_file_actions_addopen(&actions.raw, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions.raw, STDERR_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.raw, theirs.get(), kChannel);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  ::posix_spawn_file_actions_addclosefrom_np(&actions.raw, kChannel + 1);
#endif
  Attributes attributes;
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setflags(
      &attributes.raw, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setpgroup(&attributes.raw, 0);
  ::posix_spawnattr_setsigmask(&attributes.raw, &none);
  ::posix_spawnattr_setsigdefault(&attributes.raw, &all);

  std::string path = program.string();
  std::array<char*, 2> arguments{path.data(), nullptr};
  std::vector<std::string> copies = environment;
  std::vector<char*> variables;
  for (std::string& each : copies) variables.push_back(each.data());
  variables.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, path.c_str(), &actions.raw, &attributes.raw,
                                  arguments.data(), variables.data());
  if (error != 0) {
    pid_ = -1;
    throw Error(HN_UNAVAILABLE,
                cat("[worker] ", path, " cannot be started: ", std::strerror(error)));
  }
#if defined(SYS_pidfd_open)
  pidfd_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
#endif
  host_end = std::move(ours);
}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

std::string Child::end(std::chrono::milliseconds patience) {
  if (pid_ < 0) return "";
  const auto until = Clock::now() + patience;
  int status = 0;
  bool killed = false;
  for (;;) {
    const pid_t done = ::waitpid(pid_, &status, killed ? 0 : WNOHANG);
    if (done < 0 && errno == EINTR) continue;
    if (done != 0) {
      // What it left running in its group goes with it.
      ::kill(-pid_, SIGKILL);
      pid_ = -1;
      pidfd_ = Descriptor();
      // A process that ignores SIGCHLD, or waits for any child, has taken the answer.
      if (done < 0) return "a cause that the application took (it waits for all its children)";
      return killed ? "" : told(status);
    }
    if (Clock::now() >= until) {
      ::kill(-pid_, SIGKILL);
      ::kill(pid_, SIGKILL);
      killed = true;
      continue;
    }
    if (pidfd_.valid()) {
      pollfd ready{pidfd_.get(), POLLIN, 0};
      ::poll(&ready, 1, 20);
    } else {
      ::usleep(1000);
    }
  }
}

std::vector<std::string> worker_environment(bool sandboxed, std::int64_t threads,
                                            const std::string& library_path) {
  // Of a sandbox: where programs and libraries are, languages, and what numeric libraries read.
  constexpr std::string_view kHarmless[] = {
      "PATH=", "LANG=",     "LC_",   "TZ=",   "LD_LIBRARY_PATH=", "OMP_",   "GOMP_", "KMP_",
      "MKL_",  "OPENBLAS_", "ATEN_", "DNNL_", "TORCH_",           "MALLOC_"};
  std::vector<std::string> variables;
  std::string found_path;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view text(*each);
    if (text.starts_with("LD_LIBRARY_PATH=")) {
      found_path = text.substr(text.find('=') + 1);
      continue;
    }
    if (threads > 0 &&
        (text.starts_with("OMP_NUM_THREADS=") || text.starts_with("MKL_NUM_THREADS=")))
      continue;
    bool keep = !sandboxed;
    for (const std::string_view name : kHarmless) keep = keep || text.starts_with(name);
    if (keep) variables.emplace_back(text);
  }
  std::string path = library_path;
  if (!found_path.empty()) path += (path.empty() ? "" : ":") + found_path;
  if (!path.empty()) variables.push_back("LD_LIBRARY_PATH=" + path);
  if (threads > 0) {
    variables.push_back(cat("OMP_NUM_THREADS=", threads));
    variables.push_back(cat("MKL_NUM_THREADS=", threads));
  }
  return variables;
}

}  // namespace hn::worker
