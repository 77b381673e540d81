// Lines over a socket: how a helper process and its caller speak.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace hn::apart {

// The helper's end of its socket.
inline constexpr int kHelperSocket = 3;

// Owns the socket. [one-at-a-time]
class Channel {
 public:
  explicit Channel(int socket) : socket_(socket) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int socket() const { return socket_; }
  // False when nobody listens any more. The line holds no '\n'.
  bool say(std::string_view line);
  // kLine: `line` is the next one. kEnd: the other side closed. kSilence: nothing came in time.
  enum class Heard { kLine, kEnd, kSilence };
  Heard listen(std::chrono::milliseconds at_most, std::string& line);

 private:
  int socket_;
  std::string waiting_;  // what came after the last line
  std::size_t looked_ = 0;
};

}  // namespace hn::apart
