// The limits and manners of reading picture files: [pictures] of a configuration.
#pragma once

#include <cstdint>

namespace hn::host {

// How picture files are read: by the verbs score and compare, which users' files come to.
struct PicturesConfig {
  // More are refused before any memory is taken for them; the default is twice Pillow's
  // MAX_IMAGE_PIXELS, above which Pillow refuses too.
  std::uint64_t max_pixels = 178'956'970;
  // Turn and mirror pictures as their EXIF or XMP data say, as Pillow's ImageOps.exif_transpose
  // does; else they come as they are stored, as from Pillow's Image.open.
  bool exif_orientation = false;
};

}  // namespace hn::host
