// What a picture file says of itself in its first bytes: its kind and its size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hn::host {

enum class PictureKind { kPng, kJpeg, kWebp };

struct PictureHeader {
  PictureKind kind = PictureKind::kPng;
  std::uint32_t width = 0, height = 0;  // pixels, at least 1

  std::uint64_t pixels() const { return std::uint64_t{width} * height; }
};

// "PNG", "JPEG", "WebP".
const char* name_of(PictureKind kind);

// bytes: a file, or enough of its beginning. Nothing but the header is looked at, so a picture with
// a good header may still be damaged. `where` starts messages. Errors: HN_DATA_LOSS (another kind
// of file, which is named where its first bytes tell; cut before the size is known; a size of 0).
PictureHeader read_picture_header(std::string_view bytes, const std::string& where);

}  // namespace hn::host
