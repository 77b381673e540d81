#include "exit_guard.hpp"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "crash_report.hpp"

namespace hn::cli {
namespace {

std::atomic<pid_t> g_process{0};  // the process that is guarded; 0: none yet
std::atomic<int> g_result{-1};    // of the work; -1: it runs

// What an exit with this code has to become.
int allowed(const char* function, int code) {
  if (::getpid() != g_process.load()) return code;
  if (const int result = g_result.load(); result >= 0) return result == 0 ? code : result;
  SignalText text;
  text << "\nhnhost: ";
  tell_running(text, "ended the process");
  text << ": it called " << function << "("
       << static_cast<unsigned long long>(static_cast<unsigned char>(code))
       << "), and the work is not done\n";
  text.write();
  end_now(1);
}

template <class Function>
[[noreturn]] void call_next(const char* name, int code) {
  if (const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name)); next != nullptr)
    next(code);
  end_now(code);
}

}  // namespace

void end_now(int code) {
  for (;;) ::syscall(SYS_exit_group, code);
}

void guard_exits() { g_process.store(::getpid()); }
void work_ended(int code) { g_result.store(code); }

}  // namespace hn::cli

// The command exports these four (its CMakeLists.txt), so that libraries find them before the C
// library's. Its own return from main does not come this way.
extern "C" {

void exit(int code) noexcept {
  hn::cli::call_next<void (*)(int)>("exit", hn::cli::allowed("exit", code));
}
void quick_exit(int code) noexcept {
  hn::cli::call_next<void (*)(int)>("quick_exit", hn::cli::allowed("quick_exit", code));
}
void _exit(int code) { hn::cli::end_now(hn::cli::allowed("_exit", code)); }
void _Exit(int code) noexcept { hn::cli::end_now(hn::cli::allowed("_Exit", code)); }

}  // extern "C"
