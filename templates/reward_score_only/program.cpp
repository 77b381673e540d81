#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <hn/cpp/error.hpp>

extern char** environ;

namespace my_reward_score_only {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kLastWords = 600;  // bytes of standard error that a message shows

// A pipe whose ends no other program inherits; each end closes when it goes.
struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw hn::Error(HN_INTERNAL,
                      std::string("[my_reward_score_only] no pipe: ") + std::strerror(errno));
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(0);
    close(1);
  }
  void close(std::size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  std::array<int, 2> ends{-1, -1};  // reading, writing
};

pid_t spawn(const std::vector<std::string>& words, const std::filesystem::path& folder,
            const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err.ends[1], 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  // What the host blocks or ignores is not the program's.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t process = -1;
  const int problem =
      ::posix_spawnp(&process, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0)
    throw hn::Error(HN_NOT_FOUND, "[my_reward_score_only] cannot start " + words[0] + " in " +
                                      folder.string() + ": " + std::strerror(problem));
  return process;
}

// Takes what there is; false at the end.
bool take(int end, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(end, buffer.data(), buffer.size());
  if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

// The last lines of standard error, in one.
std::string last_words(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kLastWords) text = "..." + text.substr(text.size() - kLastWords);
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text.empty() ? ", without a word" : ": " + text;
}

// Kills the group and waits, unless finished() was called first.
class Child {
 public:
  explicit Child(pid_t process) : process_(process) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (process_ <= 0) return;
    ::kill(-process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // True once it has ended; `status` is waitpid's.
  bool finished(int& status) {
    const pid_t found = ::waitpid(process_, &status, WNOHANG);
    if (found == 0 || (found < 0 && errno == EINTR)) return false;
    if (found < 0) {
      process_ = -1;
      throw hn::Error(HN_INTERNAL,
                      "[my_reward_score_only] the program's exit code went elsewhere: this process "
                      "ignores SIGCHLD");
    }
    ::kill(-process_, SIGKILL);  // what it left running
    process_ = -1;
    return true;
  }

 private:
  pid_t process_;
};

}  // namespace

std::string run_program(const std::vector<std::string>& words, const std::filesystem::path& folder,
                        const ProgramLimits& limits) {
  const std::string name = "[my_reward_score_only] " + words.at(0);
  if (!std::filesystem::is_directory(folder))
    throw hn::Error(HN_NOT_FOUND,
                    name + ": expected the folder of the program, there is no " + folder.string());
  Pipe out, err;
  Child child(spawn(words, folder, out, err));
  out.close(1);
  err.close(1);
  std::string printed, complaints;
  const auto end = Clock::now() + std::chrono::duration<double>(limits.seconds);
  bool open_out = true, open_err = true;
  int status = 0;
  for (bool ended = false; open_out || open_err || !ended;) {
    if (limits.cancelled && limits.cancelled()) throw hn::Error(HN_CANCELLED, name + ": cancelled");
    if (Clock::now() >= end)
      throw hn::Error(HN_INTERNAL, name + " took longer than " + std::to_string(limits.seconds) +
                                       " s (option timeout) and was ended" +
                                       last_words(complaints));
    std::array<pollfd, 2> polled{
        {{open_out ? out.ends[0] : -1, POLLIN, 0}, {open_err ? err.ends[0] : -1, POLLIN, 0}}};
    ::poll(polled.data(), polled.size(), open_out || open_err ? 100 : 2);
    if (polled[0].revents != 0) open_out = take(out.ends[0], printed);
    if (polled[1].revents != 0) open_err = take(err.ends[0], complaints);
    if (complaints.size() > 64 * kLastWords) complaints.erase(0, complaints.size() - kLastWords);
    if (printed.size() > limits.output)
      throw hn::Error(HN_INTERNAL,
                      name + " printed more than " + std::to_string(limits.output) + " bytes");
    // Only after its pipes have ended, or nothing came from them: so all of the text is there.
    const bool quiet = polled[0].revents == 0 && polled[1].revents == 0;
    if (!ended && (quiet || (!open_out && !open_err))) ended = child.finished(status);
    if (ended && quiet) break;  // a process that it started holds the pipes
  }
  if (WIFSIGNALED(status))
    throw hn::Error(HN_INTERNAL, name + " was ended by signal " + std::to_string(WTERMSIG(status)) +
                                     last_words(complaints));
  if (WEXITSTATUS(status) != 0)
    throw hn::Error(HN_INTERNAL, name + " ended with code " + std::to_string(WEXITSTATUS(status)) +
                                     last_words(complaints));
  return printed;
}

}  // namespace my_reward_score_only
