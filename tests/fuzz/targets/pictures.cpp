// PNG, JPEG and WebP, turned as they say.
#include "files/decode_image.hpp"
#include "files/picture_header.hpp"
#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(pictures) {
  using namespace hn::host;
  // Large enough for every seed; a header of millions of pixels would only be slow.
  for (const bool turned : {false, true}) {
    PicturesConfig options;
    options.max_pixels = 1 << 18;
    options.exif_orientation = turned;
    hn::fuzz::read([&] {
      const Image image = decode_image(input, "picture", options);
      const PictureHeader header = read_picture_header(input, "picture");
      const auto width = static_cast<std::uint64_t>(image.width);
      const auto height = static_cast<std::uint64_t>(image.height);
      hn::fuzz::require(
          image.rgb.size() == 3 * header.pixels() && width * height == header.pixels(),
          "another size than the header's");
      hn::fuzz::require(turned || (width == header.width && height == header.height),
                        "turned without being asked to");
    });
  }
}
