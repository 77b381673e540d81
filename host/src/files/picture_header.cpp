#include "files/picture_header.hpp"

#include <hn/cpp/error.hpp>
#include <hn/formats/kind_of_file.hpp>

#include "files/big_endian.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;
using namespace std::string_view_literals;

bool begins(std::string_view bytes, std::size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic;
}

class Header {
 public:
  Header(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  PictureHeader read() const {
    if (begins(bytes_, 0, "\x89PNG\r\n\x1a\n"sv)) return png();
    if (begins(bytes_, 0, "\xff\xd8\xff"sv)) return jpeg();
    if (begins(bytes_, 0, "RIFF"sv) && begins(bytes_, 8, "WEBP"sv)) return webp();
    throw Error(HN_DATA_LOSS,
                cat("[", where_, "] expected a PNG, JPEG or WebP picture, got ",
                    kind_of_file(bytes_, bytes_.size()).text, " (", bytes_.size(), " bytes)"));
  }

 private:
  [[noreturn]] void fail(PictureKind kind, const std::string& got) const {
    throw Error(HN_DATA_LOSS,
                cat("[", where_, "] expected a whole ", name_of(kind), ", got ", got));
  }
  [[noreturn]] void cut(PictureKind kind) const {
    fail(kind, cat("a file that ends at byte ", bytes_.size(), ", before the picture's size"));
  }
  PictureHeader sized(PictureKind kind, std::uint32_t width, std::uint32_t height) const {
    if (width == 0 || height == 0) fail(kind, cat("a size of ", width, "x", height, " pixels"));
    return {kind, width, height};
  }
  std::uint8_t byte(std::size_t at) const { return static_cast<std::uint8_t>(bytes_[at]); }

  PictureHeader png() const {
    constexpr auto kKind = PictureKind::kPng;
    if (bytes_.size() < 33) cut(kKind);
    if (begins(bytes_, 12, "CgBI"sv)) fail(kKind, "Apple's own form of PNG (chunk CgBI)");
    if (!begins(bytes_, 8, "\0\0\0\x0dIHDR"sv)) fail(kKind, "another first chunk than IHDR");
    return sized(kKind, big_endian32(bytes_, 16), big_endian32(bytes_, 20));
  }

  // Marker by marker to the frame header, over whatever metadata lies before it.
  PictureHeader jpeg() const {
    constexpr auto kKind = PictureKind::kJpeg;
    std::size_t at = 2;
    while (true) {
      if (at + 4 > bytes_.size()) cut(kKind);
      if (byte(at) != 0xff || byte(at + 1) == 0)
        fail(kKind, cat("no marker at byte ", at, ", where one belongs"));
      const std::uint8_t marker = byte(at + 1);
      if (marker == 0xff) {  // a fill byte
        ++at;
        continue;
      }
      // Without a length: TEM, restarts, and the beginning and end of tables of their own.
      if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
        at += 2;
        continue;
      }
      if (marker == 0xda) fail(kKind, cat("a scan at byte ", at, " without a frame before it"));
      const bool frame =
          marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
      if (frame) {
        if (at + 9 > bytes_.size()) cut(kKind);
        return sized(kKind, big_endian16(bytes_, at + 7), big_endian16(bytes_, at + 5));
      }
      const std::uint32_t length = big_endian16(bytes_, at + 2);
      if (length < 2) fail(kKind, cat("a segment of length ", length, " at byte ", at));
      at += 2 + std::size_t{length};
    }
  }

  PictureHeader webp() const {
    constexpr auto kKind = PictureKind::kWebp;
    if (bytes_.size() < 30) cut(kKind);
    const auto little = [&](std::size_t at, int count) {
      std::uint32_t value = 0;
      for (int i = count - 1; i >= 0; --i)
        value = value << 8 | byte(at + static_cast<std::size_t>(i));
      return value;
    };
    const std::string_view chunk = bytes_.substr(12, 4);
    if (chunk == "VP8X") return sized(kKind, little(24, 3) + 1, little(27, 3) + 1);
    if (chunk == "VP8L" && byte(20) == 0x2f)
      return sized(kKind, (little(21, 4) & 0x3fff) + 1, (little(21, 4) >> 14 & 0x3fff) + 1);
    if (chunk == "VP8 " && begins(bytes_, 23, "\x9d\x01\x2a"sv))
      return sized(kKind, little(26, 2) & 0x3fff, little(28, 2) & 0x3fff);
    fail(kKind, "a broken header");
  }

  std::string_view bytes_;
  const std::string& where_;
};

}  // namespace

const char* name_of(PictureKind kind) {
  switch (kind) {
    case PictureKind::kPng: return "PNG";
    case PictureKind::kJpeg: return "JPEG";
    case PictureKind::kWebp: return "WebP";
  }
  return "";
}

PictureHeader read_picture_header(std::string_view bytes, const std::string& where) {
  return Header(bytes, where).read();
}

}  // namespace hn::host
