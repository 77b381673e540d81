// The formats behind decode_image, one file each.
#pragma once

#include <string>
#include <string_view>

#include "files/image.hpp"

namespace hn::host {

// What may say how a picture is to be turned.
struct PictureMetadata {
  std::string exif;  // a TIFF structure, with "Exif\0\0" before it or without
  std::string xmp;   // XML
};

// Each fills image.rgb, which has the size of the file's header and is zero; and, where `metadata`
// is not NULL, what the file has of it. Errors: HN_DATA_LOSS "[where] expected a whole ..., got
// ...", HN_OUT_OF_MEMORY.
void decode_png(std::string_view bytes, const std::string& where, Image& image,
                PictureMetadata* metadata);
void decode_jpeg(std::string_view bytes, const std::string& where, Image& image,
                 PictureMetadata* metadata);
void decode_webp(std::string_view bytes, const std::string& where, Image& image,
                 PictureMetadata* metadata);

}  // namespace hn::host
