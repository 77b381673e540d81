// Host memory (core::Tensor) to and from LibTorch tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::core {

// A float32 view of the request's memory, valid as long as it is. HN_INVALID_ARGUMENT where the
// shape is not (count, sample...) or the data has another size. what: the request's name of it.
at::Tensor view_of(const Tensor& tensor, const std::vector<std::int64_t>& shape,
                   const std::string& what);

// The caller's tensor in place of the request's own, on whatever device it lies.
// HN_INVALID_ARGUMENT where the shape is another.
at::Tensor view_of(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                   const std::string& what);
// Copies into the caller's tensor; the shapes were compared.
void write_to(const DLTensor& tensor, const at::Tensor& values);

// A result of this shape with its memory, to be filled through view().
at::Tensor allocate(Tensor& tensor, std::vector<std::int64_t> shape);

std::vector<std::int64_t> join_shape(std::vector<std::int64_t> front,
                                     const std::vector<std::int64_t>& back);

}  // namespace hn::core
