// LibTorch's number of threads, which is the process's, for the length of one call.
#pragma once

namespace hn::core {

// Sets the number where it is wanted (above 0) and another, and puts back what the process had.
// With several at once in different threads each puts back what there was before the first: what
// the process finds afterwards is its own again, whoever ends last.
class ThreadCount {
 public:
  explicit ThreadCount(int wanted);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  bool set_ = false;
};

}  // namespace hn::core
