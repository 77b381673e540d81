#include "stdin_lines.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <hn/cpp/error.hpp>

#include "signals.hpp"

namespace hn::cli {
namespace {

// Waits for input; false once a signal asked to stop. Signals are let in during the wait alone, so
// that none comes between the question and the wait.
bool wait_for_input() {
  sigset_t ours, before;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ours, &before);
  pollfd input{STDIN_FILENO, POLLIN, 0};
  int ready = 0;
  while (!stop_requested() && ready <= 0) {
    ready = ::ppoll(&input, 1, nullptr, &before);
    if (ready < 0 && errno != EINTR) break;
  }
  const bool stop = stop_requested();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !stop;
}

}  // namespace

bool StdinLines::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  std::array<char, 1 << 16> part;
  while (!ended_) {
    if (!wait_for_input()) return false;
    const ssize_t n = ::read(STDIN_FILENO, part.data(), part.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0)
      throw Error(HN_DATA_LOSS, std::string("[stdin] cannot be read: ") + std::strerror(errno));
    if (n == 0) ended_ = true;
    buffer_.append(part.data(), static_cast<std::size_t>(n));
    return true;
  }
  return false;
}

bool StdinLines::next(std::string& line) {
  std::size_t searched = at_;
  while (!stop_requested()) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      line = buffer_.substr(at_, end - at_);
      at_ = end + 1;
      return true;
    }
    if (ended_) {
      if (at_ == buffer_.size()) return false;
      line = buffer_.substr(at_);
      at_ = buffer_.size();
      return true;
    }
    searched = buffer_.size() - at_;
    if (!fill()) return false;
  }
  return false;
}

}  // namespace hn::cli
