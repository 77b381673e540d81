#include "core/surroundings.hpp"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hn::core {
namespace {

struct FloatMode {
  std::uint64_t bits;
  const char* name;
};

#if defined(__x86_64__)
// The control bits of MXCSR, with the x87 control word above them.
constexpr std::uint64_t kSticky = 0x3f;  // what happened so far: no mode
constexpr FloatMode kFloatModes[] = {
    {0x6000 | 0x0c00ull << 32, "the rounding mode"},
    {0x8040, "flushing of tiny numbers to zero"},
    {0x1f80 | 0x003full << 32, "the traps of floating-point exceptions"},
    {0x0300ull << 32, "the precision of the x87 unit"},
};

std::uint64_t float_modes() {
  std::uint16_t x87 = 0;
  asm volatile("fnstcw %0" : "=m"(x87));
  return (_mm_getcsr() & ~kSticky) | static_cast<std::uint64_t>(x87) << 32;
}

void set_float_modes(std::uint64_t modes) {
  _mm_setcsr(static_cast<unsigned>(modes & 0xffff));
  const auto x87 = static_cast<std::uint16_t>(modes >> 32);
  asm volatile("fnclex\n\tfldcw %0" : : "m"(x87));
}
#elif defined(__aarch64__)
constexpr FloatMode kFloatModes[] = {
    {0x00c00000, "the rounding mode"},
    {0x01000000, "flushing of tiny numbers to zero"},
    {0x00009f00, "the traps of floating-point exceptions"},
};

std::uint64_t float_modes() {
  std::uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}

void set_float_modes(std::uint64_t modes) { asm volatile("msr fpcr, %0" : : "r"(modes)); }
#else
constexpr FloatMode kFloatModes[] = {{0, ""}};
std::uint64_t float_modes() { return 0; }
void set_float_modes(std::uint64_t) {}
#endif

void add(std::string& changes, const std::string& change) {
  changes += (changes.empty() ? "" : ", ") + change;
}

std::string before_after(const char* what, const std::string& before, const std::string& after) {
  return std::string(what) + " (" + before + " before, " + after + " after)";
}

constexpr std::array kSignals = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
                                 SIGCHLD, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT};

// The umask as the system lists it: asking by umask() would change it for a moment, for all
// threads.
std::string umask_text() {
  std::array<char, 1024> text{};
  const int file = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const ssize_t size = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  const char* line = size > 0 ? std::strstr(text.data(), "\nUmask:\t") : nullptr;
  return line == nullptr ? "" : std::string(line + 8, std::strcspn(line + 8, "\n"));
}

std::string folder_text() {
  std::array<char, PATH_MAX> text{};
  return ::getcwd(text.data(), text.size()) != nullptr ? text.data() : "a folder without a name";
}

}  // namespace

struct Surroundings::Process {
  int folder = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::string umask = umask_text();
  sigset_t mask{};
  std::array<struct sigaction, kSignals.size()> handlers{};

  Process() {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (std::size_t i = 0; i < kSignals.size(); ++i)
      ::sigaction(kSignals[i], nullptr, &handlers[i]);
  }
  ~Process() {
    if (folder >= 0) ::close(folder);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void restore(std::string& changes) const {
    restore_folder(changes);
    if (const std::string now = umask_text(); now != umask) {
      ::umask(static_cast<mode_t>(std::strtoul(umask.c_str(), nullptr, 8)));
      add(changes, before_after("the umask", umask, now));
    }
    restore_signals(changes);
  }

 private:
  void restore_folder(std::string& changes) const {
    struct stat before {
    }, now{};
    if (folder < 0 || ::fstat(folder, &before) != 0 || ::stat(".", &now) != 0) return;
    if (before.st_dev == now.st_dev && before.st_ino == now.st_ino) return;
    const std::string other = folder_text();
    if (::fchdir(folder) != 0) {
      add(changes, "the working folder, which cannot be entered again (now " + other + ")");
      return;
    }
    add(changes, before_after("the working folder", folder_text(), other));
  }
  void restore_signals(std::string& changes) const {
    sigset_t now{};
    pthread_sigmask(SIG_SETMASK, &mask, &now);
    for (int signal = 1; signal < NSIG; ++signal)
      if (sigismember(&mask, signal) != sigismember(&now, signal)) {
        add(changes, "the mask of signals");
        break;
      }
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      struct sigaction handler {};
      ::sigaction(kSignals[i], nullptr, &handler);
      // A handler that serves once puts the default in its place by itself.
      if (handler.sa_handler == handlers[i].sa_handler || handler.sa_handler == SIG_DFL) continue;
      ::sigaction(kSignals[i], &handlers[i], nullptr);
      add(changes, std::string("the handler of signal ") + ::strsignal(kSignals[i]));
    }
  }
};

Surroundings::Surroundings(Depth depth)
    : float_modes_(float_modes()),
      locale_(::setlocale(LC_ALL, nullptr)),
      thread_locale_(::uselocale(nullptr)),
      process_(depth == Depth::kWhole ? std::make_unique<const Process>() : nullptr) {}

Surroundings::~Surroundings() = default;

std::string Surroundings::restore() const {
  std::string changes;
  if (const std::uint64_t now = float_modes(); now != float_modes_) {
    set_float_modes(float_modes_);
    for (const FloatMode& mode : kFloatModes)
      if (((now ^ float_modes_) & mode.bits) != 0) add(changes, mode.name);
  }
  if (const char* now = ::setlocale(LC_ALL, nullptr); locale_ != now) {
    add(changes, before_after("the locale", locale_, now));
    ::setlocale(LC_ALL, locale_.c_str());
  }
  if (::uselocale(nullptr) != thread_locale_) {
    ::uselocale(static_cast<locale_t>(thread_locale_));
    add(changes, "the thread's locale");
  }
  if (process_) process_->restore(changes);
  return changes;
}

}  // namespace hn::core
