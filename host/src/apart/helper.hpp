// A helper process, from its caller's side. What may crash, hang or end its process runs there. It
// is a program of its own, started by posix_spawn, so that the caller may have threads.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apart/channel.hpp"

namespace hn::apart {

// $HN_HELPER, else libexec/hn/hnhost_helper beside the folder of the library.
std::filesystem::path helper_program();

class Helper {
 public:
  // verb: what it is to do. request: one line. environment: laid over the caller's. Its standard
  // output goes to standard error, so that a plugin cannot spoil the caller's. Throws HN_NOT_FOUND
  // without the program, HN_INTERNAL where it cannot be started.
  Helper(const std::string& verb, const std::string& request,
         const std::vector<std::pair<std::string, std::string>>& environment = {});
  // Ends the helper and everything that it started.
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  // As Channel::listen. kEnd: it is over, see how_it_ended().
  Channel::Heard listen(std::chrono::milliseconds at_most, std::string& line) {
    return channel_.listen(at_most, line);
  }
  // Waits for its end (ends it after a second) and says how it came: "signal 11 (Segmentation
  // fault)", "exit code 3". Once, after kEnd.
  std::string how_it_ended();

 private:
  pid_t start(const std::string& verb,
              const std::vector<std::pair<std::string, std::string>>& environment);
  int theirs_ = -1;  // the helper's end, until it runs
  Channel channel_;
  pid_t pid_ = -1;
};

// "signal 11 (Segmentation fault)" or "exit code 3", of a status as waitpid gives it.
std::string ending(int wait_status);

}  // namespace hn::apart
