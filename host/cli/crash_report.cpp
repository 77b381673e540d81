#include "crash_report.hpp"

#include <hnhost/hnhost.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <new>

#include "exit_guard.hpp"

namespace hn::cli {
namespace {

constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// Of the main thread: its own stack is no place to stand on once it ran over.
alignas(16) char g_stack[1 << 16];

// Whether the address that could not be used lies where the next frame would have been.
bool stack_ran_over(const siginfo_t& about, const void* context) {
#if defined(__x86_64__)
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  const long long distance =
      reinterpret_cast<long long>(about.si_addr) - static_cast<long long>(registers[REG_RSP]);
  return distance > -(1 << 16) && distance < (1 << 12);
#else
  (void)about, (void)context;
  return false;
#endif
}

void on_crash(int number, siginfo_t* about, void* context) {
  SignalText text;
  text << "\nhnhost: ";
  tell_running(text, "crashed");
  text << ": " << sigdescr_np(number) << " (signal " << static_cast<unsigned long long>(number)
       << ")";
  if (number == SIGSEGV && about->si_code > 0 && stack_ran_over(*about, context))
    text << ", its stack ran over";
  rlimit memory{};
  if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur != RLIM_INFINITY)
    text << "; memory is limited (ulimit -v), and numeric libraries crash where it runs out";
  text << "\n";
  text.write();
  signal(number, SIG_DFL);
  raise(number);  // waits until this handler returns, then ends the process
}

[[noreturn]] void on_terminate() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    SignalText text;
    text << "\nhnhost: ";
    tell_running(text, "ran out of memory");
    text << "; is it limited (ulimit -v)?\n";
    text.write();
    end_now(1);
  } catch (const std::exception& error) {
    SignalText text;
    text << "\nhnhost: an exception was not caught: " << error.what() << "\n";
    text.write();
  } catch (...) {  // on_crash says what can be said
  }
  std::abort();
}

}  // namespace

SignalText& SignalText::operator<<(const char* text) {
  while (*text != '\0' && size_ < sizeof(text_)) text_[size_++] = *text++;
  return *this;
}

SignalText& SignalText::operator<<(unsigned long long number) {
  char digits[24] = {};
  char* at = digits + sizeof(digits) - 1;
  do {
    *--at = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return *this << at;
}

void SignalText::write() const {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text_, size_);
}

void tell_running(SignalText& text, const char* did) {
  hnhost_plugin_call call{};
  call.struct_size = sizeof(call);
  if (hnhost_running_plugin(&call) == 0) {
    text << "something outside of the plugins' calls " << did;
    return;
  }
  const bool other = (call.flags & HNHOST_CALL_OF_OTHER_THREAD) != 0;
  if (other) text << "a thread " << did << " while ";
  text << "plugin '" << call.plugin << "' (" << call.library << ") ";
  text << (other ? "was" : did) << " in " << call.function;
  if (call.step != 0) text << " at step " << call.step;
}

void report_crashes() {
  std::set_terminate(on_terminate);
  stack_t stack{};
  stack.ss_sp = g_stack;
  stack.ss_size = sizeof(g_stack);
  sigaltstack(&stack, nullptr);
  for (const int number : kCrashes) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action = {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
  }
}

}  // namespace hn::cli
