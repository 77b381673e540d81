// The one place that names libwebp.
#include <webp/decode.h>

#include "run/image.hpp"

namespace hn::run {

bool is_webp(std::string_view bytes) {
  return bytes.size() >= 12 && bytes.substr(0, 4) == "RIFF" && bytes.substr(8, 4) == "WEBP";
}

Image decode_webp(std::string_view bytes, const std::string& where) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  Image image;
  if (WebPGetInfo(data, bytes.size(), &image.width, &image.height) == 0)
    throw Error(HN_DATA_LOSS, "[" + where + "] expected a WebP image, got " +
                                  std::to_string(bytes.size()) + " bytes with a broken header");
  if (image.width > kMaxImageSide || image.height > kMaxImageSide)
    throw Error(HN_DATA_LOSS, "[" + where + "] expected at most " + std::to_string(kMaxImageSide) +
                                  " pixels on a side, got " + std::to_string(image.width) + "x" +
                                  std::to_string(image.height));
  image.rgb.resize(std::size_t{3} * static_cast<std::size_t>(image.width) *
                   static_cast<std::size_t>(image.height));
  if (WebPDecodeRGBInto(data, bytes.size(), image.rgb.data(), image.rgb.size(), 3 * image.width) ==
      nullptr)
    throw Error(HN_DATA_LOSS, "[" + where + "] expected a WebP image, got " +
                                  std::to_string(bytes.size()) +
                                  " bytes that cannot be decoded (truncated or animated)");
  return image;
}

}  // namespace hn::run
