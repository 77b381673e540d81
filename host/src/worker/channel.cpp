#include "worker/channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hn::worker {
namespace {

constexpr int kWaitMs = 50;

bool again(int error) { return error == EINTR || error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void Channel::send(const Frame& frame, int file, const Waiting& waiting) {
  const std::string message = encode(frame);
  if (message.size() > kMostBytes)
    throw Error(HN_INVALID_ARGUMENT, "[worker] a message of " + std::to_string(message.size()) +
                                         " bytes; at most " + std::to_string(kMostBytes) +
                                         " cross (texts of prompts are part of it)");
  const auto length = static_cast<std::uint32_t>(message.size());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += message;
  const std::lock_guard lock(sending_);
  for (std::size_t sent = 0; sent < bytes.size();) {
    iovec part{bytes.data() + sent, bytes.size() - sent};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (file >= 0 && sent == 0) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &file, sizeof file);
    }
    const ssize_t n = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
    } else if (n < 0 && again(errno)) {
      pollfd ready{socket_.get(), POLLOUT, 0};
      ::poll(&ready, 1, kWaitMs);
      if (waiting) waiting();
    } else {
      throw ChannelClosed();
    }
  }
}

void Channel::read(char* to, std::size_t n, Descriptor* file, const Waiting& waiting, int other) {
  while (n > 0) {
    iovec part{to, n};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got > 0) {
      const cmsghdr* rights = CMSG_FIRSTHDR(&header);
      if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS &&
          rights->cmsg_len == CMSG_LEN(sizeof(int))) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        Descriptor come(fd);
        if (file != nullptr) *file = std::move(come);
      }
      to += got;
      n -= static_cast<std::size_t>(got);
      continue;
    }
    if (got == 0 || !again(errno)) throw ChannelClosed();
    pollfd ready[2] = {{socket_.get(), POLLIN, 0}, {other, POLLIN, 0}};
    ::poll(ready, other >= 0 ? 2 : 1, waiting ? kWaitMs : -1);
    // What was sent before the end is still read.
    if ((ready[0].revents & (POLLIN | POLLHUP)) == 0 && other >= 0 && ready[1].revents != 0)
      throw ChannelClosed();
    if (waiting) waiting();
  }
}

Channel::Received Channel::receive(const Waiting& waiting, int other) {
  Received received;
  std::uint32_t length = 0;
  read(reinterpret_cast<char*>(&length), sizeof length, &received.file, waiting, other);
  if (length > kMostBytes)
    throw Error(HN_DATA_LOSS, "[worker protocol] a message of " + std::to_string(length) +
                                  " bytes; at most " + std::to_string(kMostBytes) + " are taken");
  std::string bytes(length, '\0');
  read(bytes.data(), bytes.size(), &received.file, waiting, other);
  received.frame = decode(bytes);
  return received;
}

}  // namespace hn::worker
