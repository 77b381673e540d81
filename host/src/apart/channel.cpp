#include "apart/channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace hn::apart {

Channel::~Channel() { ::close(socket_); }

bool Channel::say(std::string_view line) {
  std::string text(line);
  text += '\n';
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(socket_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += static_cast<std::size_t>(n);
  }
  return true;
}

Channel::Heard Channel::listen(std::chrono::milliseconds at_most, std::string& line) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + at_most;
  for (;;) {
    if (const auto end = waiting_.find('\n', looked_); end != std::string::npos) {
      line = waiting_.substr(0, end);
      waiting_.erase(0, end + 1);
      looked_ = 0;
      return Heard::kLine;
    }
    looked_ = waiting_.size();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd ready{socket_, POLLIN, 0};
    const int n = ::poll(&ready, 1, left > 0 ? static_cast<int>(left) : 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Heard::kSilence;
    char block[65536];
    const ssize_t got = ::recv(socket_, block, sizeof block, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Heard::kEnd;
    waiting_.append(block, static_cast<std::size_t>(got));
  }
}

}  // namespace hn::apart
