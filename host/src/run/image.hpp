// Pictures as 8-bit RGB, and the way between them, float tensors and files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/session.hpp"

namespace hn::run {

// height x width x 3, rows from the top, no padding.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

// Pictures larger than this on a side are refused before any memory is taken for them.
inline constexpr int kMaxImageSide = 16384;

// A PNG file's bytes, 8 bit RGB; the same picture always gives the same bytes.
std::string encode_png(const Image& image);

// PNG, JPEG or WebP. Grey becomes RGB, alpha is dropped and 16 bits become 8, as Pillow's
// convert("RGB") does; EXIF orientation is not applied. `where` starts messages. Errors:
// HN_DATA_LOSS (none of these formats, truncated, larger than kMaxImageSide).
Image decode_image(std::string_view bytes, const std::string& where);

// The WebP part of it.
bool is_webp(std::string_view bytes);
Image decode_webp(std::string_view bytes, const std::string& where);

// Errors: those of decode_image, and HN_NOT_FOUND where the file cannot be read.
Image read_image(const std::filesystem::path& file);

// Atomically. Errors: those of AtomicFile.
void write_png(const std::filesystem::path& file, const Image& image);

// Picture `index` of images [B,3,H,W] in [0,1]: round(255 x), values outside are clamped, NaN is 0.
Image to_image(const core::Tensor& images, std::int64_t index);

// [B,3,H,W] in [0,1]. Errors: HN_INVALID_ARGUMENT where sizes differ; names[i] is named then.
core::Tensor from_images(std::span<const Image> images, std::span<const std::string> names);

// Each pixel as a square of factor x factor.
Image enlarge(const Image& image, int factor);

// Row by row, `columns` a row, `gap` white pixels between; all of one size.
Image grid(std::span<const Image> images, int columns, int gap);

}  // namespace hn::run
