// The caller's CPU tensors in and out of the core's.
#pragma once

#include <hn/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

// Both honour strides (NULL = compact, as DLPack has it) and byte_offset, and throw
// HN_INVALID_ARGUMENT, "[where] expected float32 [2,3,64,64] on the CPU, got ...".
core::Tensor read_tensor(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                         const std::string& where);
void check_tensor(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                  const std::string& where);
// The tensor was checked; data has as many numbers as it.
void write_tensor(const std::vector<float>& data, const DLTensor& tensor);

}  // namespace hn::host
