#include "files/decode_image.hpp"

#include <hn/formats/json_file.hpp>

#include "files/orientation.hpp"
#include "files/picture_formats.hpp"
#include "files/picture_header.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;

void decode(PictureKind kind, std::string_view bytes, const std::string& where, Image& image,
            PictureMetadata* metadata) {
  switch (kind) {
    case PictureKind::kPng: return decode_png(bytes, where, image, metadata);
    case PictureKind::kJpeg: return decode_jpeg(bytes, where, image, metadata);
    case PictureKind::kWebp: return decode_webp(bytes, where, image, metadata);
  }
}

}  // namespace

Image decode_image(std::string_view bytes, const std::string& where,
                   const host::PicturesConfig& options) {
  const PictureHeader header = read_picture_header(bytes, where);
  if (header.pixels() > options.max_pixels || header.width > INT32_MAX || header.height > INT32_MAX)
    throw Error(HN_DATA_LOSS, cat("[", where, "] expected at most ", options.max_pixels,
                                  " pixels (--max-pixels, pictures.max_pixels), got ", header.width,
                                  "x", header.height, " = ", header.pixels()));
  Image image;
  image.width = static_cast<int>(header.width);
  image.height = static_cast<int>(header.height);
  image.rgb.resize(3 * header.pixels());
  PictureMetadata metadata;
  decode(header.kind, bytes, where, image, options.exif_orientation ? &metadata : nullptr);
  if (!options.exif_orientation) return image;
  return oriented(std::move(image), orientation_of(metadata.exif, metadata.xmp, where));
}

Image read_image(const std::filesystem::path& file, const host::PicturesConfig& options) {
  return decode_image(read_whole_file(file), file.string(), options);
}

}  // namespace hn::host
