// The one place that compiles stb_image and stb_image_write (Sean Barrett; MIT or public domain,
// Debian's libstb-dev).
#include <string>

#include "run/image.hpp"

// Only what is read here, from memory alone: the smaller the parser, the less a hostile file
// reaches.
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#ifndef __clang_analyzer__  // the linter judges our code, not stb's
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#endif
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace hn::run {

static_assert(STBI_MAX_DIMENSIONS == kMaxImageSide);

std::string encode_png(const Image& image) {
  std::string bytes;
  const auto append = [](void* out, void* data, int size) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(data),
                                           static_cast<std::size_t>(size));
  };
  const int ok = stbi_write_png_to_func(append, &bytes, image.width, image.height, 3,
                                        image.rgb.data(), image.width * 3);
  if (ok == 0) throw Error(HN_OUT_OF_MEMORY, "[png] the encoder ran out of memory");
  return bytes;
}

Image decode_image(std::string_view bytes, const std::string& where) {
  if (bytes.size() > INT32_MAX)
    throw Error(HN_DATA_LOSS, "[" + where + "] expected an image below 2 GiB, got " +
                                  std::to_string(bytes.size()) + " bytes");
  if (is_webp(bytes)) return decode_webp(bytes, where);
  Image image;
  int channels = 0;
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  stbi_uc* pixels = stbi_load_from_memory(data, static_cast<int>(bytes.size()), &image.width,
                                          &image.height, &channels, 3);
  if (pixels == nullptr) {
    const char* reason = stbi_failure_reason();
    throw Error(HN_DATA_LOSS, "[" + where + "] expected a PNG, JPEG or WebP image, got " +
                                  std::to_string(bytes.size()) + " bytes that cannot be read (" +
                                  (reason == nullptr ? "unknown" : reason) + ")");
  }
  image.rgb.assign(pixels, pixels + std::size_t{3} * image.width * image.height);
  stbi_image_free(pixels);
  return image;
}

}  // namespace hn::run
