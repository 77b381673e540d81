// The one place that names libpng. It gets no chunk but the header, the palette and the pixels:
// every chunk's checksum is tested here, where the message can say which and where, and the others
// (texts, profiles, frames of an animation) are passed over, so that nothing is unpacked for them.
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <vector>

#include "files/big_endian.hpp"
#include "files/image.hpp"
#include "files/picture_formats.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;

// Compressed bytes that may follow the last row's; encoders end their streams with a few.
constexpr std::size_t kBytesAfterLastRow = 64 << 10;

[[noreturn]] void fail(const std::string& where, const std::string& got) {
  throw Error(HN_DATA_LOSS, cat("[", where, "] expected a whole PNG, got ", got));
}

struct Parts {
  std::vector<std::string_view> chunks;  // whole ones, in order, for libpng
  std::size_t idat = 0;                  // bytes of all IDAT chunks' data
};

// Eight hexadecimal digits.
std::string crc_text(std::uint32_t value) { return cat("0x", absl::Hex(value, absl::kZeroPad8)); }

bool is_name(std::string_view name) {
  for (const char letter : name)
    if ((letter < 'a' || letter > 'z') && (letter < 'A' || letter > 'Z')) return false;
  return true;
}

// XMP as a text that is not compressed: keyword, 0, flag, method, language, 0, keyword, 0, text.
std::string xmp_of(std::string_view text) {
  using namespace std::string_view_literals;
  constexpr auto kKey = "XML:com.adobe.xmp\0\0\0"sv;
  if (!text.starts_with(kKey)) return "";
  for (int skipped = 0; skipped < 2; ++skipped) {
    const std::size_t end = text.find('\0', skipped == 0 ? kKey.size() : 0);
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return std::string(text);
}

// Tests every chunk up to IEND. The first one is IHDR (read_picture_header saw to that).
Parts walk(std::string_view bytes, const std::string& where, PictureMetadata* metadata) {
  const bool palette = bytes[25] == 3;
  Parts parts;
  bool pixels_ended = false;
  for (std::size_t at = 8;;) {
    if (at + 12 > bytes.size())
      fail(where, cat("a file that ends at byte ", bytes.size(), " without its last chunk, IEND"));
    const std::size_t size = big_endian32(bytes, at);
    const std::string_view name = bytes.substr(at + 4, 4);
    if (!is_name(name)) fail(where, cat("no chunk at byte ", at, ", where one belongs"));
    const auto chunk = [&] { return cat("chunk ", name, " at byte ", at); };
    if (size > bytes.size() - at - 12)
      fail(where, cat("a file that ends at byte ", bytes.size(), " within ", chunk(), " of ", size,
                      " bytes"));
    const auto stored = big_endian32(bytes, at + 8 + size);
    const auto computed = static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(&bytes[at + 4]), size + 4));
    if (stored != computed)
      fail(where, cat(chunk(), " with the checksum (CRC) ", crc_text(stored),
                      ", where its bytes have ", crc_text(computed)));
    const std::string_view data = bytes.substr(at + 8, size);
    const bool pixels = name == "IDAT";
    if (pixels) {
      if (pixels_ended) fail(where, cat(chunk(), ", apart from the other IDAT chunks"));
      parts.idat += size;
    } else if (parts.idat > 0) {
      pixels_ended = true;
    }
    if (pixels || name == "IHDR" || name == "IEND" || (name == "PLTE" && palette)) {
      parts.chunks.push_back(bytes.substr(at, size + 12));
    } else if (name[0] >= 'A' && name[0] <= 'Z' && name != "PLTE") {
      fail(where, cat("an unknown ", chunk(), ", which pictures cannot be read without"));
    } else if (metadata != nullptr && name == "eXIf") {
      metadata->exif = std::string(data);
    } else if (metadata != nullptr && name == "iTXt" && metadata->xmp.empty()) {
      metadata->xmp = xmp_of(data);
    }
    if (name == "IEND") break;
    at += size + 12;
  }
  if (parts.idat == 0) fail(where, "no pixels (chunk IDAT)");
  return parts;
}

// What libpng's callbacks see; plain data, since its errors jump over frames.
struct Source {
  const std::string_view* next = nullptr;
  const std::string_view* end = nullptr;
  std::size_t used = 0;  // of *next
  std::size_t consumed = 0;
  char message[160] = "";
};

void read_part(png_structp png, png_bytep out, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  source->consumed += count;
  while (count > 0) {
    if (source->next == source->end) png_error(png, "fewer rows than its size says");
    const std::size_t n = std::min(count, source->next->size() - source->used);
    std::memcpy(out, source->next->data() + source->used, n);
    out += n;
    count -= n;
    source->used += n;
    if (source->used == source->next->size()) {
      ++source->next;
      source->used = 0;
    }
  }
}

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof source->message - 1);
  png_longjmp(png, 1);
}

// More data than the rows need is an encoder's sloppiness; whatever else libpng would let pass (an
// Adler-32 that does not fit, above all) is damage.
void on_warning(png_structp png, png_const_charp message) {
  for (const char* harmless : {"Too much image data", "Extra compressed data"})
    if (std::strstr(message, harmless) != nullptr) return;
  on_error(png, message);
}

// Grey of 16 bits, three times, to 8: what is above 255 is 255, as in Pillow.
void clip_16(png_structp, png_row_infop row, png_bytep data) {
  const std::size_t values = row->rowbytes / 2;
  for (std::size_t i = 0; i < values; ++i)
    data[i] = data[2 * i] != 0 ? png_byte{255} : data[2 * i + 1];
}

void ask_for_rgb(png_structp png, png_infop info) {
  const int kind = png_get_color_type(png, info);
  const int bits = png_get_bit_depth(png, info);
  if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (kind == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
  if ((kind & PNG_COLOR_MASK_ALPHA) != 0) png_set_strip_alpha(png);
  if ((kind & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  if (bits != 16) return;
  if (kind == PNG_COLOR_TYPE_GRAY) {
    png_set_read_user_transform_fn(png, clip_16);
    png_set_user_transform_info(png, nullptr, 8, 3);
  } else {
    png_set_strip_16(png);
  }
}

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

// False after an error, whose text is then in the source. No object with a destructor may live
// here: errors jump back.
bool read_rows(const Reader& reader, Source& source, std::size_t idat, Image& image) {
  png_structp png = reader.png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_read_fn(png, &source, read_part);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // decode_image has limits of its own
  png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);  // walk() tested them
  png_read_info(png, reader.info);
  ask_for_rgb(png, reader.info);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader.info);
  const std::size_t stride = std::size_t{3} * static_cast<std::size_t>(image.width);
  if (png_get_rowbytes(png, reader.info) != stride) png_error(png, "rows of another length");
  for (int pass = 0; pass < passes; ++pass)
    for (int y = 0; y < image.height; ++y) {
      // libpng unpacks all that follows the last row, and a few bytes can become gigabytes.
      const bool last = pass + 1 == passes && y + 1 == image.height;
      if (last && idat > source.consumed + stride * 3 + kBytesAfterLastRow)
        png_error(png, "far more image data than its size says");
      png_read_row(png, image.rgb.data() + stride * static_cast<std::size_t>(y), nullptr);
    }
  return true;
}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

struct Sink {
  std::string* bytes = nullptr;
  char message[160] = "";
};

[[noreturn]] void on_write_error(png_structp png, png_const_charp message) {
  auto* sink = static_cast<Sink*>(png_get_error_ptr(png));
  std::strncpy(sink->message, message, sizeof sink->message - 1);
  png_longjmp(png, 1);
}

void on_write_warning(png_structp, png_const_charp) {}  // its own would print

void append(png_structp png, png_bytep data, std::size_t count) {
  auto* sink = static_cast<Sink*>(png_get_io_ptr(png));
  bool appended = true;
  try {
    sink->bytes->append(reinterpret_cast<const char*>(data), count);
  } catch (const std::bad_alloc&) {
    appended = false;
  }
  if (!appended) png_error(png, "out of memory");
}

// png_text of each; the texts are borrowed. What is ASCII stands in tEXt, which every reader knows,
// the rest in iTXt.
std::vector<png_text> text_chunks(const PngTexts& texts) {
  std::vector<png_text> chunks;
  for (const auto& [keyword, text] : texts) {
    png_text chunk{};
    const bool ascii = std::all_of(text.begin(), text.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    chunk.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<png_charp>(keyword.c_str());
    chunk.text = const_cast<png_charp>(text.c_str());
    (ascii ? chunk.text_length : chunk.itxt_length) = text.size();
    chunks.push_back(chunk);
  }
  return chunks;
}

bool write_rows(const Writer& writer, Sink& sink, const Image& image,
                const std::vector<png_text>& texts) {
  png_structp png = writer.png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, &sink, append, nullptr);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, writer.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!texts.empty()) png_set_text(png, writer.info, texts.data(), static_cast<int>(texts.size()));
  png_write_info(png, writer.info);
  const std::size_t stride = std::size_t{3} * static_cast<std::size_t>(image.width);
  for (int y = 0; y < image.height; ++y)
    png_write_row(png, image.rgb.data() + stride * static_cast<std::size_t>(y));
  png_write_end(png, writer.info);
  return true;
}

}  // namespace

void decode_png(std::string_view bytes, const std::string& where, Image& image,
                PictureMetadata* metadata) {
  const Parts parts = walk(bytes, where, metadata);
  Source source;
  const std::string_view signature = bytes.substr(0, 8);
  std::vector<std::string_view> wanted = {signature};
  wanted.insert(wanted.end(), parts.chunks.begin(), parts.chunks.end());
  source.next = wanted.data();
  source.end = source.next + wanted.size();
  Reader reader;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr)
    throw Error(HN_OUT_OF_MEMORY, cat("[", where, "] no memory for libpng"));
  if (!read_rows(reader, source, parts.idat, image))
    fail(where, cat("image data that cannot be unpacked: ", source.message));
}

std::string encode_png(const Image& image, const PngTexts& texts) {
  if (image.width < 1 || image.height < 1)
    throw Error(HN_INVALID_ARGUMENT,
                cat("[png] expected at least one pixel, got ", image.width, "x", image.height));
  std::string bytes;
  Sink sink;
  sink.bytes = &bytes;
  Writer writer;
  writer.png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, &sink, on_write_error, on_write_warning);
  if (writer.png != nullptr) writer.info = png_create_info_struct(writer.png);
  if (writer.info == nullptr || !write_rows(writer, sink, image, text_chunks(texts)))
    throw Error(HN_OUT_OF_MEMORY, cat("[png] the encoder failed: ", sink.message));
  return bytes;
}

}  // namespace hn::host
