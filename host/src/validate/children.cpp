#include "validate/children.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "apart/helper.hpp"

namespace hn::validate {
namespace {

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
  const Outcome outcome = body();
  const char letter = outcome.status == Status::kPassed    ? 'P'
                      : outcome.status == Status::kSkipped ? 'S'
                                                           : 'F';
  write_all(fd, std::string(1, letter) + outcome.text + std::string(kEnd));
  ::_exit(0);  // no destructors of libraries that were loaded here
}

// False at the end of the file.
bool drain(int fd, std::string& into) {
  char block[4096];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n > 0) {
      into.append(block, static_cast<std::size_t>(n));
    } else if (n == 0) {
      return false;
    } else if (errno != EINTR) {
      return true;  // nothing more for now
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
  return {Status::kCrashed, (WIFSIGNALED(wait_status) ? "the plugin crashed: "
                                                      : "the plugin ended the process with ") +
                                apart::ending(wait_status)};
}

}  // namespace

Children::~Children() {
  for (const Child& child : children_) {
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    ::close(child.pipe);
  }
}

void Children::start(std::size_t job, std::chrono::seconds limit,
                     const std::function<Outcome()>& body) {
  const auto refused = [&](const char* what) {
    at_once_.push_back({job,
                        {Status::kFailed, std::string("the check could not be started: ") + what +
                                              ": " + std::strerror(errno)}});
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return refused("pipe");
  std::fflush(nullptr);  // else the child's copy of a buffer could be written a second time
  const pid_t parent = ::getpid();
  Child child;
  child.job = job;
  child.limit = limit;
  child.began = Clock::now();
  child.pid = ::fork();
  if (child.pid < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return refused("fork");
  }
  if (child.pid == 0) {
    ::close(ends[0]);
    ::close(watched_);
    for (const Child& other : children_) ::close(other.pipe);
    child_main(ends[1], parent, body);
  }
  ::close(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  child.pipe = ends[0];
  children_.push_back(std::move(child));
}

bool Children::look(Child& child, std::vector<Finished>& finished) {
  if (child.open) child.open = drain(child.pipe, child.message);
  int wait_status = 0;
  const pid_t done = ::waitpid(child.pid, &wait_status, WNOHANG);
  if (done != child.pid) {
    if (!child.late && Clock::now() - child.began > child.limit) {
      child.late = true;
      ::kill(child.pid, SIGKILL);
    }
    return false;
  }
  drain(child.pipe, child.message);
  ::close(child.pipe);
  Outcome outcome = child.late
                        ? Outcome{Status::kTimedOut, "did not finish within " +
                                                         std::to_string(child.limit.count()) + " s"}
                        : judge(wait_status, std::move(child.message));
  outcome.seconds = std::chrono::duration<double>(Clock::now() - child.began).count();
  finished.push_back({child.job, std::move(outcome)});
  return true;
}

bool Children::abandoned() const {
  pollfd ready{watched_, 0, 0};
  return ::poll(&ready, 1, 0) > 0 && (ready.revents & (POLLHUP | POLLERR)) != 0;
}

std::vector<Children::Finished> Children::wait() {
  std::vector<Finished> finished = std::move(at_once_);
  at_once_.clear();
  while (finished.empty() && !children_.empty()) {
    std::vector<pollfd> ready;
    for (const Child& child : children_)
      if (child.open) ready.push_back({child.pipe, POLLIN, 0});
    // The end of its pipe comes before a child's exit: without an open one this is a short pause.
    ::poll(ready.data(), ready.size(), ready.empty() ? 1 : 20);
    if (abandoned()) return {};
    for (auto child = children_.begin(); child != children_.end();)
      child = look(*child, finished) ? children_.erase(child) : std::next(child);
  }
  return finished;
}

}  // namespace hn::validate
