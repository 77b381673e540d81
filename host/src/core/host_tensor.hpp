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

// A result of this shape with its memory, to be filled through view().
at::Tensor allocate(Tensor& tensor, std::vector<std::int64_t> shape);

std::vector<std::int64_t> join_shape(std::vector<std::int64_t> front,
                                     const std::vector<std::int64_t>& back);

}  // namespace hn::core
