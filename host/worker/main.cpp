// hnhost-worker: one plugin in a process of its own, started by libhnhost with a socket as
// descriptor 3. Not for people.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "worker/serve.hpp"

int main() {
  constexpr int kChannel = 3;
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(kChannel, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    std::fputs(
        "hnhost-worker runs a plugin for a host, which starts it (docs/isolation.md); it does "
        "nothing by itself\n",
        stderr);
    return 2;
  }
  // Nothing of the plugin runs at the end of the process: its destroy was called.
  ::_exit(hn::worker::serve(hn::worker::Descriptor(kChannel)));
}
