// Frames over one end of a Unix socket pair: a length in four bytes, then the message; a file may
// come with it.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "worker/messages.hpp"

namespace hn::worker {

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The other end is closed, or its process is gone.
struct ChannelClosed {};

class Channel {
 public:
  explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}

  int descriptor() const { return socket_.get(); }

  // Whole frames, from any thread. Throws ChannelClosed. waiting: as in receive, asked while the
  // other side takes nothing.
  using Waiting = std::function<void()>;
  void send(const Frame& frame, int file = -1, const Waiting& waiting = {});

  struct Received {
    Frame frame;
    Descriptor file;
  };
  // Waits for a frame. waiting is called about twenty times a second until it is there, and may
  // throw. other: a descriptor whose readiness means that the peer is gone (a pidfd), or -1. Throws
  // ChannelClosed, and HN_DATA_LOSS for what is no frame.
  Received receive(const Waiting& waiting = {}, int other = -1);

 private:
  void read(char* to, std::size_t n, Descriptor* file, const Waiting& waiting, int other);

  Descriptor socket_;
  std::mutex sending_;
};

}  // namespace hn::worker
