#include "files/orientation.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <optional>

#include "files/big_endian.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;

constexpr std::uint32_t kOrientationTag = 0x0112;

// A TIFF structure's first directory.
class Tiff {
 public:
  Tiff(std::string_view bytes, const std::string& where)
      : bytes_(bytes), little_(bytes.starts_with("II")) {
    if (bytes.size() < 8 || !(little_ || bytes.starts_with("MM")) || integer(2, 2) != 42)
      throw Error(HN_DATA_LOSS, cat("[", where, "] expected EXIF data that begin as a TIFF, got ",
                                    bytes.size(), " bytes that do not"));
  }

  // The first value of a tag of whole numbers; a directory that is cut ends where it is cut.
  std::optional<std::uint32_t> find(std::uint32_t tag) const {
    const std::size_t directory = integer(4, 4);
    if (directory + 2 > bytes_.size()) return std::nullopt;
    const std::uint32_t count = integer(directory, 2);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t entry = directory + 2 + std::size_t{12} * i;
      if (entry + 12 > bytes_.size()) return std::nullopt;
      if (integer(entry, 2) == tag) return value_of(entry);
    }
    return std::nullopt;
  }

 private:
  // Signed ones too: no orientation is negative.
  std::optional<std::uint32_t> value_of(std::size_t entry) const {
    const std::uint32_t type = integer(entry + 2, 2), count = integer(entry + 4, 4);
    const int size = type == 6 ? 1 : type == 3 || type == 8 ? 2 : type == 4 || type == 9 ? 4 : 0;
    if (size == 0 || count == 0) return std::nullopt;
    const std::uint64_t all = std::uint64_t{count} * static_cast<std::uint64_t>(size);
    const std::size_t at = all <= 4 ? entry + 8 : integer(entry + 8, 4);
    if (at + all > bytes_.size()) return std::nullopt;
    return integer(at, size);
  }

  std::uint32_t integer(std::size_t at, int size) const {
    std::uint32_t value = 0;
    for (int i = 0; i < size; ++i) {
      const int place = little_ ? size - 1 - i : i;
      value = value << 8 | static_cast<std::uint8_t>(bytes_[at + static_cast<std::size_t>(place)]);
    }
    return value;
  }

  std::string_view bytes_;
  bool little_;
};

std::optional<std::uint32_t> in_xmp(std::string_view xmp) {
  for (const std::string_view before : {"tiff:Orientation=\"", "tiff:Orientation>"}) {
    const std::size_t at = xmp.find(before);
    if (at == std::string_view::npos || at + before.size() >= xmp.size()) continue;
    const char digit = xmp[at + before.size()];
    if (digit >= '0' && digit <= '9') return static_cast<std::uint32_t>(digit - '0');
  }
  return std::nullopt;
}

}  // namespace

int orientation_of(std::string_view exif, std::string_view xmp, const std::string& where) {
  using namespace std::string_view_literals;
  while (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  std::optional<std::uint32_t> found;
  if (!exif.empty()) found = Tiff(exif, where).find(kOrientationTag);
  if (!found) found = in_xmp(xmp);
  return found && *found >= 2 && *found <= 8 ? static_cast<int>(*found) : 1;
}

Image oriented(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool exchanged = orientation >= 5;  // rows become columns
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out;
  out.width = exchanged ? image.height : image.width;
  out.height = exchanged ? image.width : image.height;
  out.rgb.resize(image.rgb.size());
  std::uint8_t* target = out.rgb.data();
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x, target += 3) {
      const int column = exchanged ? y : x, row = exchanged ? x : y;
      const std::size_t from_x =
          static_cast<std::size_t>(from_right ? image.width - 1 - column : column);
      const std::size_t from_y =
          static_cast<std::size_t>(from_below ? image.height - 1 - row : row);
      std::copy_n(&image.rgb[3 * (from_y * static_cast<std::size_t>(image.width) + from_x)], 3,
                  target);
    }
  return out;
}

}  // namespace hn::host
