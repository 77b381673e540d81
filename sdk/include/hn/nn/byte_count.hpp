// How many bytes of tensors a stretch of code has taken and not given back, as LibTorch's
// allocators report them.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <memory>

namespace hn {

// Counts what this thread allocates and frees while it lives, on every device. Memory that was
// there before does not count, nor does what is freed after. Counters nest: an inner one's bytes
// also count in the outer one. Not for use beside LibTorch's own memory profiler on the same
// thread, which sees nothing meanwhile.
class ByteCount {
 public:
  ByteCount();
  ~ByteCount();
  ByteCount(const ByteCount&) = delete;
  ByteCount& operator=(const ByteCount&) = delete;

  std::uint64_t live() const;  // taken and not given back
  std::uint64_t peak() const;  // the most that live() was
  void reset_peak();           // to live()

 private:
  class Reporter;
  std::shared_ptr<Reporter> reporter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace hn
