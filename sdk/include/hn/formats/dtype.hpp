// The format's dtype table and the size rule that the reader and the writer share.
#pragma once

#include <cstdint>
#include <hn/formats/safetensors.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

std::optional<TensorDtype> dtype_from_name(std::string_view name);
// Every spelling, for messages: "BOOL, F4, ...".
std::string dtype_list();

// Bytes of a tensor; nullopt where the product overflows, a dimension is negative, or elements
// below a byte do not fill whole bytes.
std::optional<std::uint64_t> tensor_bytes(TensorDtype dtype,
                                          const std::vector<std::int64_t>& shape);

// "[2, 3]" for messages.
std::string stored_shape_text(const std::vector<std::int64_t>& shape);

}  // namespace hn
