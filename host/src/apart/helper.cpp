#include "apart/helper.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <thread>

#include "loader/scan.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"

extern char** environ;  // NOLINT: POSIX's name

namespace hn::apart {
namespace {

using host::cat;

int pair_of_sockets(int& other) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(HN_INTERNAL, cat("[helper] socketpair: ", std::strerror(errno)));
  other = ends[1];
  return ends[0];
}

std::vector<std::string> laid_over(
    const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> all;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view line(*each);
    bool replaced = false;
    for (const auto& [key, value] : changes)
      replaced = replaced || (line.starts_with(key) && line.substr(key.size()).starts_with("="));
    if (!replaced) all.emplace_back(line);
  }
  for (const auto& [key, value] : changes) all.push_back(cat(key, "=", value));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// What the program gets beside its words: the socket, quiet standard streams, and signals as a
// process has them from the start, whatever the caller did with its own.
struct Surroundings {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;

  explicit Surroundings(int socket) {
    ::posix_spawn_file_actions_init(&files);
    // First: where the caller has closed its standard streams, the socket may stand in their place.
    ::posix_spawn_file_actions_adddup2(&files, socket, kHelperSocket);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    // A group of its own: Ctrl-C is the caller's to hear, and all of it can be ended at once.
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Surroundings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;
};

}  // namespace

std::filesystem::path helper_program() {
  const std::string named = host::environment("HN_HELPER");
  if (!named.empty()) return named;
  return (host::library_folder() / ".." / "libexec" / "hn" / "hnhost_helper").lexically_normal();
}

std::string ending(int wait_status) {
  if (WIFSIGNALED(wait_status))
    return cat("signal ", WTERMSIG(wait_status), " (", ::strsignal(WTERMSIG(wait_status)), ")");
  return cat("exit code ", WEXITSTATUS(wait_status));
}

Helper::Helper(const std::string& verb, const std::string& request,
               const std::vector<std::pair<std::string, std::string>>& environment)
    : channel_(pair_of_sockets(theirs_)) {
  pid_ = start(verb, environment);
  channel_.say(request);  // a helper that is gone already is heard by listen
}

pid_t Helper::start(const std::string& verb,
                    const std::vector<std::pair<std::string, std::string>>& environment) {
  const std::string program = helper_program().string();
  std::vector<std::string> words = {program, verb}, variables = laid_over(environment);
  pid_t pid = -1;
  const Surroundings surroundings(theirs_);
  const int problem =
      ::posix_spawn(&pid, program.c_str(), &surroundings.files, &surroundings.attributes,
                    pointers(words).data(), pointers(variables).data());
  ::close(theirs_);
  if (problem == 0) return pid;
  throw Error(problem == ENOENT ? HN_NOT_FOUND : HN_INTERNAL,
              cat("[helper] ", program, " cannot be started: ", std::strerror(problem),
                  "; it is a part of hn's installation (HN_HELPER can name it)"));
}

Helper::~Helper() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

std::string Helper::how_it_ended() {
  int status = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == pid_) break;
    if (done < 0 && errno != EINTR) return "an end that another part of this process took";
    if (std::chrono::steady_clock::now() > until) ::kill(-pid_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(-pid_, SIGKILL);  // what it left behind
  pid_ = -1;
  return ending(status);
}

}  // namespace hn::apart
