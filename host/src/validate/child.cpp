#include "validate/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hn::validate {
namespace {

using Clock = std::chrono::steady_clock;

// The message ends with this, so that a child that left early, even with exit code 0, is told from
// one that finished.
constexpr std::string_view kEnd = "\n<end of check>";

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

[[noreturn]] void child_main(int fd, pid_t parent, const std::function<Outcome()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // the parent went before the line above
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
#if !defined(__SANITIZE_ADDRESS__)
  // A crash is the row's to tell, not that of a handler that the process may have.
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(signal, SIG_DFL);
#endif
  const Outcome outcome = body();
  const char letter = outcome.status == Status::kPassed    ? 'P'
                      : outcome.status == Status::kSkipped ? 'S'
                                                           : 'F';
  write_all(fd, std::string(1, letter) + outcome.text + std::string(kEnd));
  ::_exit(0);  // no destructors of libraries that were loaded here
}

void drain(int fd, std::string& into) {
  char block[4096];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n > 0) {
      into.append(block, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      return;
    }
  }
}

Outcome judge(int wait_status, std::string message) {
  if (message.size() > kEnd.size() && message.ends_with(kEnd)) {
    const Status status = message[0] == 'P'   ? Status::kPassed
                          : message[0] == 'S' ? Status::kSkipped
                                              : Status::kFailed;
    message.resize(message.size() - kEnd.size());
    return {status, message.substr(1)};
  }
  if (WIFSIGNALED(wait_status))
    return {Status::kCrashed, std::string("the plugin crashed: signal ") +
                                  std::to_string(WTERMSIG(wait_status)) + " (" +
                                  ::strsignal(WTERMSIG(wait_status)) + ")"};
  return {Status::kCrashed, "the plugin ended the process with exit code " +
                                std::to_string(WEXITSTATUS(wait_status))};
}

}  // namespace

Outcome run_in_child(const std::function<Outcome()>& body, std::chrono::seconds limit) {
  const auto began = Clock::now();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return {Status::kFailed,
            std::string("the check could not be started: pipe: ") + std::strerror(errno)};
  std::fflush(nullptr);  // else the child's copy of a buffer could be written a second time
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return {Status::kFailed,
            std::string("the check could not be started: fork: ") + std::strerror(errno)};
  }
  if (pid == 0) {
    ::close(ends[0]);
    child_main(ends[1], parent, body);
  }
  ::close(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);

  std::string message;
  int wait_status = 0;
  bool late = false;
  for (;;) {
    pollfd ready{ends[0], POLLIN, 0};
    ::poll(&ready, 1, 20);
    drain(ends[0], message);
    // End of file comes before the exit: the poll would return at once and spin, so wait without it
    // then.
    if ((ready.revents & POLLHUP) != 0) ::usleep(500);
    const pid_t done = ::waitpid(pid, &wait_status, WNOHANG);
    if (done == pid) break;
    if (done < 0 && errno != EINTR) break;
    if (!late && Clock::now() - began > limit) {
      late = true;
      ::kill(pid, SIGKILL);
    }
  }
  drain(ends[0], message);
  ::close(ends[0]);

  Outcome outcome = late ? Outcome{Status::kTimedOut,
                                   "did not finish within " + std::to_string(limit.count()) + " s"}
                         : judge(wait_status, std::move(message));
  outcome.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return outcome;
}

}  // namespace hn::validate
