// Tensors of the command's files: safetensors in and out as float32.
#pragma once

#include <filesystem>
#include <hn/formats/safetensors.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

// F32, F64, F16 and BF16 become float32. Errors: HN_UNSUPPORTED for other dtypes; name and file
// open the message.
core::Tensor to_float32(const TensorView& view, const std::filesystem::path& file);

// Tensor `name` of the file. Errors: those of SafetensorsFile, HN_NOT_FOUND without the name.
core::Tensor read_tensor(const std::filesystem::path& file, const std::string& name);
// The same, nothing when the file has no such tensor.
std::optional<core::Tensor> find_tensor(const std::filesystem::path& file, const std::string& name);

// One float32 tensor in a file of its own, atomically.
void write_tensor(const std::filesystem::path& file, const std::string& name,
                  const std::vector<std::int64_t>& shape, const std::vector<float>& data);

// Throws HN_INVALID_ARGUMENT "[file: name] expected finite numbers, got nan at [3,0,2,1]; 5 of 64
// are not finite".
void require_finite(const core::Tensor& tensor, const std::string& where);
// The same for pictures, and where a number lies outside of 0 to 1 by more than kPictureSlack (what
// resizing overshoots by): numbers from 0 to 255 or from -1 to 1 would get a wrong score.
inline constexpr float kPictureSlack = 0.1f;
void require_pictures(const core::Tensor& images, const std::string& where);

// Throws HN_INVALID_ARGUMENT "[file: name] expected shape (B,16,8,8), got (4,16,9,8)"; -1 allows
// any length there.
void expect_shape(const core::Tensor& tensor, const std::vector<std::int64_t>& wanted,
                  const std::string& where);

}  // namespace hn::host
