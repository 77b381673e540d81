// Tensors of one call packed into a block, with marks between them that show a write past an end.
#pragma once

#include <hn/tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/messages.hpp"

namespace hn::worker {

// Where the tensors of a call lie. A tensor whose elements are dense keeps its strides, so that a
// plugin computes in the same order as it would in this process; others become contiguous.
class Packing {
 public:
  // Takes a place for a tensor, named in errors: "input image". HN_UNSUPPORTED for memory that is
  // not the CPU's. The tensor itself is not kept.
  TensorRef add(const DLTensor& tensor, const std::string& name);
  // Of the block: 0 without tensors.
  std::uint64_t size() const { return places_.empty() ? 0 : end_ + kMark; }

  void mark(std::byte* block) const;
  // The name of a tensor past whose end, or before whose beginning, somebody wrote; else empty.
  std::string damaged(const std::byte* block) const;

 private:
  static constexpr std::uint64_t kMark = 128;  // bytes; also between the tensors, at least
  struct Place {
    std::string name;
    std::uint64_t begin, end;
  };
  template <class Visit>
  void gaps(Visit&& visit) const;

  std::vector<Place> places_;
  std::uint64_t end_ = 0;
};

// A shape alone, for plan and shapes: without a place.
TensorRef shape_only(const DLTensor& tensor);

void copy_in(const DLTensor& from, const TensorRef& to, std::byte* block);
void copy_out(const std::byte* block, const TensorRef& from, const DLTensor& to);

// The worker's view; borrows ref and block. HN_DATA_LOSS where ref does not lie in the block's
// bytes. block NULL: shapes alone, data is NULL.
DLTensor view_of(const TensorRef& ref, std::byte* block, std::uint64_t bytes);

}  // namespace hn::worker
