#include "core/thread_count.hpp"

#include <ATen/Parallel.h>

#include <mutex>

namespace hn::core {
namespace {

// LibTorch has one number for the process, so there is one memory of what it was.
struct Process {
  std::mutex mutex;
  int users = 0, own = 0;  // own: before the first of the users
};
Process& process() {
  static Process the_process;
  return the_process;
}

}  // namespace

ThreadCount::ThreadCount(int wanted) {
  if (wanted <= 0) return;
  Process& p = process();
  const std::lock_guard lock(p.mutex);
  const int now = at::get_num_threads();
  if (p.users == 0) p.own = now;
  if (now == wanted && p.users == 0) return;
  set_ = true;
  ++p.users;
  if (now != wanted) at::set_num_threads(wanted);
}

ThreadCount::~ThreadCount() {
  if (!set_) return;
  Process& p = process();
  const std::lock_guard lock(p.mutex);
  --p.users;
  if (at::get_num_threads() != p.own) at::set_num_threads(p.own);
}

}  // namespace hn::core
