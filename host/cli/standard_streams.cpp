#include "standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <streambuf>
#include <vector>

namespace hn::cli {
namespace {

// What std::cout writes into. After a failure the rest is thrown away.
class OutputBuffer final : public std::streambuf {
 public:
  explicit OutputBuffer(bool ends_by_sigpipe) : ends_by_sigpipe_(ends_by_sigpipe) {
    setp(text_.data(), text_.data() + text_.size());
  }
  int problem() const { return problem_; }  // an errno; 0: none

  // What a file server reports late, when a descriptor is closed.
  void look_at_close() {
    const int copy = ::dup(STDOUT_FILENO);
    if (copy >= 0 && ::close(copy) != 0 && errno != EINTR) fail(errno);
  }

 private:
  int_type overflow(int_type next) override {
    if (sync() != 0) return traits_type::eof();
    if (!traits_type::eq_int_type(next, traits_type::eof())) {
      *pptr() = traits_type::to_char_type(next);
      pbump(1);
    }
    return traits_type::not_eof(next);
  }
  int sync() override {
    for (const char* at = pbase(); at != pptr() && problem_ == 0;) {
      const ssize_t n = ::write(STDOUT_FILENO, at, static_cast<std::size_t>(pptr() - at));
      if (n >= 0)
        at += n;
      else if (errno != EINTR)
        fail(errno);
    }
    setp(text_.data(), text_.data() + text_.size());
    return problem_ == 0 ? 0 : -1;
  }
  void fail(int code) {
    if (code == EPIPE && ends_by_sigpipe_) {
      std::signal(SIGPIPE, SIG_DFL);
      std::raise(SIGPIPE);
    }
    if (problem_ == 0) problem_ = code;
  }

  bool ends_by_sigpipe_;
  int problem_ = 0;
  std::vector<char> text_ = std::vector<char>(1 << 16);
};

OutputBuffer* g_output = nullptr;  // std::cout is global, so is what it writes into; never freed

void open_if_closed(int descriptor, int mode) {
  if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) return;
  // The lowest number that is free is this one: those below it are open by now.
  if (::open("/dev/null", mode) != descriptor) ::_exit(1);  // and there is nobody to tell
}

}  // namespace

void open_standard_streams() {
  open_if_closed(STDIN_FILENO, O_WRONLY);
  open_if_closed(STDOUT_FILENO, O_RDONLY);
  open_if_closed(STDERR_FILENO, O_WRONLY);
  const auto inherited = std::signal(SIGPIPE, SIG_IGN);
  g_output = new OutputBuffer(inherited != SIG_IGN);
  std::cout.rdbuf(g_output);
}

std::string flush_output() {
  std::cout.flush();
  if (g_output->problem() == 0) g_output->look_at_close();
  if (g_output->problem() == 0) return "";
  return std::string("stdout: cannot be written: ") + std::strerror(g_output->problem());
}

}  // namespace hn::cli
