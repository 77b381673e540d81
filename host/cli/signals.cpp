#include "signals.hpp"

#include <unistd.h>

#include <csignal>

namespace hn::cli {
namespace {

volatile std::sig_atomic_t g_stop = 0;  // a handler can reach nothing but a global

void on_signal(int) {
  g_stop = 1;
  static constexpr char kText[] = "\nstopping after this step; once more ends at once\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kText, sizeof(kText) - 1);
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // the second signal finds the default: the end
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return g_stop != 0; }

}  // namespace hn::cli
