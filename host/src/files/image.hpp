// Pictures as 8-bit RGB, and the way between them, float tensors and files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/session.hpp"

namespace hn::host {

// height x width x 3, rows from the top, no padding.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

// Keyword (Latin-1, 1 to 79 bytes) and UTF-8 text of a PNG file's text chunks, such as "prompt".
using PngTexts = std::vector<std::pair<std::string, std::string>>;

// A PNG file's bytes, 8 bit RGB; the same picture and texts always give the same bytes. Errors:
// HN_INVALID_ARGUMENT without a pixel, HN_OUT_OF_MEMORY.
std::string encode_png(const Image& image, const PngTexts& texts = {});

// Atomically. Errors: those of AtomicFile.
void write_png(const std::filesystem::path& file, const Image& image, const PngTexts& texts = {});

// Picture `index` of images [B,3,H,W] in [0,1]: round(255 x), values outside are clamped. Errors:
// HN_DATA_LOSS for what is not finite.
Image to_image(const core::Tensor& images, std::int64_t index);

// [B,3,H,W] in [0,1]. Errors: HN_INVALID_ARGUMENT where sizes differ; names[i] is named then.
core::Tensor from_images(std::span<const Image> images, std::span<const std::string> names);

// Each pixel as a square of factor x factor.
Image enlarge(const Image& image, int factor);

// Row by row, `columns` a row, `gap` white pixels between; all of one size.
Image grid(std::span<const Image> images, int columns, int gap);

}  // namespace hn::host
