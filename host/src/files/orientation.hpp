// Cameras' pictures the right way up.
#pragma once

#include <string>
#include <string_view>

#include "files/image.hpp"

namespace hn::host {

// 1 to 8 as EXIF's tag Orientation (0x0112) numbers them, else as XMP's tiff:Orientation does; 1,
// as stored, where neither says so. exif: a TIFF structure, with "Exif\0\0" before it or without;
// `where` starts messages. Errors: HN_DATA_LOSS where exif is no TIFF structure.
int orientation_of(std::string_view exif, std::string_view xmp, const std::string& where);

// The picture as one sees it, when it is stored in the way of `orientation`.
Image oriented(Image image, int orientation);

}  // namespace hn::host
