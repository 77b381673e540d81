// A last word when the process crashes; the library never touches signals.
#pragma once

namespace hn::cli {

// A segmentation fault, bus or arithmetic error, illegal instruction or abort then names the plugin
// that ran, its function and step on stderr, and ends the process as before, by the same signal
// (with a core file where those are wanted). Also when the main thread's stack ran over; other
// threads report everything but that. A handler that is there already, a sanitizer's, stays.
// Memory that runs out where nothing can catch it (LibTorch's own start under `ulimit -v`) is exit
// code 1 with a message.
void report_crashes();

// For text in a signal handler: no allocation, no locale, nothing that could be locked.
class SignalText {
 public:
  SignalText& operator<<(const char* text);
  SignalText& operator<<(unsigned long long number);
  void write() const;  // to stderr

 private:
  char text_[1024] = {};
  unsigned long long size_ = 0;
};

// Appends who ran and where: "plugin 'clip' (/path/libclip.so) crashed in score at step 3"; `did`
// is "crashed" there. Without a plugin: "something outside of the plugins crashed".
void tell_running(SignalText& text, const char* did);

}  // namespace hn::cli
