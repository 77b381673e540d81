#include "worker/serve.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "worker/server.hpp"

namespace hn::worker {
namespace {

// A plugin that computes, or hangs, does not read the channel: somebody has to see that the host is
// gone.
void leave_with_the_host(int socket) {
  std::thread([socket] {
    for (;;) {
      pollfd gone{socket, 0, 0};
      if (::poll(&gone, 1, -1) > 0 && (gone.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        ::_exit(0);
    }
  }).detach();
}

}  // namespace

int serve(Descriptor socket) {
  Channel channel(std::move(socket));
  // Not before, so that a sandbox holds for its thread too.
  Server server(channel, [&] { leave_with_the_host(channel.descriptor()); });
  try {
    for (;;) server.handle(channel.receive());
  } catch (const ChannelClosed&) {
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "hnhost-worker: %s\n", e.what());
    return 1;
  }
}

}  // namespace hn::worker
