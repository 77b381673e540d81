// Checks in child processes, forked from a process without threads, several side by side.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "validate/suite.hpp"

namespace hn::validate {

struct Outcome {
  Status status = Status::kPassed;
  std::string text;
  double seconds = 0;
};

class Children {
 public:
  // watched: a socket whose other side ends when nobody waits for the outcomes any more.
  explicit Children(int watched) : watched_(watched) {}
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  // body runs in a fork of this process and returns its outcome; a signal, an early exit or an
  // overrun becomes an outcome of its own.
  void start(std::size_t job, std::chrono::seconds limit, const std::function<Outcome()>& body);
  std::size_t running() const { return children_.size(); }

  // Waits until at least one is over. Nothing: nobody is interested any more.
  struct Finished {
    std::size_t job;
    Outcome outcome;
  };
  std::vector<Finished> wait();

 private:
  using Clock = std::chrono::steady_clock;
  struct Child {
    std::size_t job = 0;
    pid_t pid = -1;
    int pipe = -1;
    bool open = true, late = false;
    std::chrono::seconds limit{};
    Clock::time_point began{};
    std::string message;
  };
  bool abandoned() const;
  // True when the child is over; its outcome is then in `finished`.
  static bool look(Child& child, std::vector<Finished>& finished);

  int watched_;
  std::list<Child> children_;
  std::vector<Finished> at_once_;  // those that could not be started
};

}  // namespace hn::validate
