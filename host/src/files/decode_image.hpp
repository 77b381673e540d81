// Pictures from files: PNG, JPEG and WebP as 8-bit RGB, the pixels that Pillow's
// Image.open(file).convert("RGB") gives.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "files/image.hpp"
#include "files/pictures_config.hpp"

namespace hn::host {

// Of animations the first frame. Grey becomes RGB, alpha and colour profiles are dropped, of 16
// bits a colour the upper 8 are kept and a grey value above 255 becomes 255, as Pillow does.
// Memory: 3 bytes a pixel, which are only taken when the header is within max_pixels, and what the
// format's decoder needs: rows for a PNG or baseline JPEG, 2 more bytes a sample (up to 6 a pixel)
// for a progressive JPEG, 4 a pixel for a lossless WebP. `where` starts messages. Errors:
// HN_DATA_LOSS (another kind of file, which is named; too many pixels; truncated or damaged in any
// way that the format's checksums, or the decoder, can tell: the message says what and where).
Image decode_image(std::string_view bytes, const std::string& where,
                   const host::PicturesConfig& options = {});

// Errors: those of decode_image, and HN_NOT_FOUND where the file cannot be read.
Image read_image(const std::filesystem::path& file, const host::PicturesConfig& options = {});

}  // namespace hn::host
