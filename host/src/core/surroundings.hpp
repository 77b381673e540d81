// What a plugin's call finds around it and has to leave as it was. Shared by the core, the loader
// and the contract suite; no LibTorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace hn::core {

class Surroundings {
 public:
  // kQuick: the floating-point modes and the locale, some nanoseconds. kWhole: also working folder,
  // umask, signal mask and signal handlers, some system calls.
  enum class Depth { kQuick, kWhole };

  explicit Surroundings(Depth depth);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  // Puts back what is no longer as it was, in this thread and in the process, and says what that
  // is: "rounding (to nearest before, toward zero after)". Empty: nothing.
  std::string restore() const;

 private:
  struct Process;  // of kWhole

  std::uint64_t float_modes_;
  std::string locale_;
  void* thread_locale_;  // a locale_t
  std::unique_ptr<const Process> process_;
};

}  // namespace hn::core
