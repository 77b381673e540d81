#include "run/picture_header.hpp"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <array>
#include <hn/cpp/error.hpp>

#include "run/big_endian.hpp"
#include "support/cat.hpp"

namespace hn::run {
namespace {

using host::cat;
using namespace std::string_view_literals;

struct Magic {
  std::size_t at;
  std::string_view bytes;
  const char* name;
};

// Files that people give for pictures, by how they begin.
constexpr auto kOthers = std::to_array<Magic>({
    {0, "GIF87a"sv, "a GIF"},
    {0, "GIF89a"sv, "a GIF"},
    {0, "BM"sv, "a BMP"},
    {0, "II*\0"sv, "a TIFF"},
    {0, "MM\0*"sv, "a TIFF"},
    {0, "II+\0"sv, "a BigTIFF"},
    {0, "MM\0+"sv, "a BigTIFF"},
    {4, "ftypavif"sv, "an AVIF"},
    {4, "ftypavis"sv, "an AVIF"},
    {4, "ftyphei"sv, "a HEIC"},
    {4, "ftyphev"sv, "a HEIC"},
    {4, "ftypmif1"sv, "a HEIF"},
    {4, "ftypmsf1"sv, "a HEIF"},
    {4, "ftyp"sv, "an MP4 or QuickTime film"},
    {0, "\xff\x0a"sv, "a JPEG XL"},
    {0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "a JPEG XL"},
    {0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "a JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "a JPEG 2000"},
    {0, "8BPS"sv, "a Photoshop document"},
    {0, "qoif"sv, "a QOI"},
    {0, "\0\0\1\0"sv, "an icon (ICO)"},
    {0, "DDS "sv, "a DDS texture"},
    {0, "#?RADIANCE"sv, "a Radiance HDR"},
    {0, "v/1\x01"sv, "an OpenEXR"},
    {0, "%PDF-"sv, "a PDF"},
    {0, "%!PS"sv, "a PostScript"},
    {0, "RIFF"sv, "a RIFF file other than WebP"},
    {0, "\x1a\x45\xdf\xa3"sv, "a WebM or Matroska film"},
    {0, "PK\3\4"sv, "a ZIP archive"},
    {0, "\x1f\x8b"sv, "a gzip archive"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "version https://git-lfs.github.com/spec/"sv,
     "a Git LFS pointer, which stands for a file that was not downloaded (git lfs pull)"},
    {0, "P1"sv, "a PBM"},
    {0, "P2"sv, "a PGM"},
    {0, "P3"sv, "a PPM"},
    {0, "P4"sv, "a PBM"},
    {0, "P5"sv, "a PGM"},
    {0, "P6"sv, "a PPM"},
});

bool begins(std::string_view bytes, std::size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic;
}

// HTML, SVG and the like; NULL where the bytes are no markup.
const char* markup(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  const std::string head = absl::AsciiStrToLower(host::to_absl(bytes.substr(0, 1024)));
  if (!head.starts_with('<')) return nullptr;
  if (head.find("<svg") != std::string::npos) return "an SVG";
  if (head.find("<html") != std::string::npos || head.starts_with("<!doctype html"))
    return "an HTML page";
  return "an XML text";
}

std::string what_came(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  for (const Magic& each : kOthers)
    if (begins(bytes, each.at, each.bytes)) return each.name;
  if (const char* name = markup(bytes)) return name;
  if (bytes.find_first_not_of('\0') == std::string_view::npos) return "nothing but zero bytes";
  return "a file that begins otherwise";
}

class Header {
 public:
  Header(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  PictureHeader read() const {
    if (begins(bytes_, 0, "\x89PNG\r\n\x1a\n"sv)) return png();
    if (begins(bytes_, 0, "\xff\xd8\xff"sv)) return jpeg();
    if (begins(bytes_, 0, "RIFF"sv) && begins(bytes_, 8, "WEBP"sv)) return webp();
    throw Error(HN_DATA_LOSS, cat("[", where_, "] expected a PNG, JPEG or WebP picture, got ",
                                  what_came(bytes_), " (", bytes_.size(), " bytes)"));
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

}  // namespace hn::run
