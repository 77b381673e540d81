// The caller's tensors, checked before any work.
#pragma once

#include <hn/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

// A caller's tensor as the core borrows it: with strides, also where the caller left them out. Keep
// it as long as the core uses it.
class CallerTensor {
 public:
  // NULL is none. shape: what is wanted, -1 for any size of 1 or more. device: the session's; the
  // CPU is taken always. HN_INVALID_ARGUMENT says what was wanted and what came:
  // "[hnhost_sample] images: expected float32 [2,3,64,64] on the CPU, got float64 [2,3,64,64] ...".
  enum class Use { kRead, kWritten };
  CallerTensor(const DLTensor* given, const std::vector<std::int64_t>& shape, DLDevice device,
               Use use, const std::string& where);

  // The numbers of one on the CPU in row-major order.
  core::Tensor copy() const;
  // NULL where none was given.
  core::Borrowed get() const { return given_ ? &view_ : nullptr; }
  const std::vector<std::int64_t>& shape() const { return shape_; }

 private:
  void check_memory(Use use, const std::string& where) const;

  bool given_ = false;
  DLTensor view_{};
  std::vector<std::int64_t> shape_, strides_;
};

}  // namespace hn::host
