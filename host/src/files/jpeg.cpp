// The one place that names libjpeg(-turbo). Its warnings of corrupt data, after which it would go
// on with invented pixels, are errors here.
#include <cstddef>
#include <cstdio>
// jpeglib.h wants the two above.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <hn/cpp/error.hpp>
#include <vector>

#include "files/picture_formats.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;

// A file of a few megabytes can hold scans for hours of work; encoders write about ten.
constexpr int kMaxScans = 500;

struct Decoder {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX] = "";
  bool out_of_memory = false;
  std::size_t size = 0;
  std::size_t at = 0;  // bytes read when it failed

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

Decoder& decoder_of(j_common_ptr common) { return *static_cast<Decoder*>(common->client_data); }

[[noreturn]] void on_error(j_common_ptr common) {
  Decoder& decoder = decoder_of(common);
  common->err->format_message(common, decoder.message);
  decoder.out_of_memory = common->err->msg_code == JERR_OUT_OF_MEMORY;
  const auto* source = decoder.jpeg.src;
  const bool ended = common->err->msg_code == JWRN_JPEG_EOF;
  decoder.at = ended || source == nullptr ? decoder.size : decoder.size - source->bytes_in_buffer;
  std::longjmp(decoder.back, 1);
}

// Levels from 0 are traces. The three that pass leave no doubt about the pixels.
void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;
  const int code = common->err->msg_code;
  if (code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR || code == JWRN_NOT_SEQUENTIAL) return;
  on_error(common);
}

void on_progress(j_common_ptr common) {
  Decoder& decoder = decoder_of(common);
  if (decoder.jpeg.input_scan_number <= kMaxScans) return;
  std::snprintf(decoder.message, sizeof decoder.message, "more than %d scans", kMaxScans);
  decoder.at = decoder.size - decoder.jpeg.src->bytes_in_buffer;
  std::longjmp(decoder.back, 1);
}

// In place: `row` begins with `width` grey values.
void spread_grey(std::uint8_t* row, std::size_t width) {
  for (std::size_t x = width; x-- > 0;) row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = row[x];
}

// As Pillow does: inks are stored inverted whatever the markers say, and paper is what they leave.
void print_inks(const std::uint8_t* inks, std::size_t width, std::uint8_t* row) {
  for (std::size_t x = 0; x < width; ++x, inks += 4, row += 3) {
    const int light = inks[3];
    for (int i = 0; i < 3; ++i) {
      const int product = (255 - inks[i]) * light + 128;
      row[i] = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
}

// False after an error, whose text is then in the decoder. No object with a destructor may live
// here: errors jump back. inks: a row of 4 bytes a pixel.
bool read_rows(Decoder& decoder, std::string_view bytes, bool metadata, Image& image,
               std::uint8_t* inks) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (setjmp(decoder.back) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  if (metadata) jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
  while (jpeg_read_header(&jpeg, FALSE) == JPEG_HEADER_TABLES_ONLY) {
  }
  const auto width = static_cast<JDIMENSION>(image.width);
  const auto height = static_cast<JDIMENSION>(image.height);
  const int samples = jpeg.num_components;
  if (jpeg.image_width != width || jpeg.image_height != height ||
      (samples != 1 && samples != 3 && samples != 4)) {
    std::snprintf(decoder.message, sizeof decoder.message,
                  "%ux%u pixels of %d components, where %ux%u of 1, 3 or 4 were expected",
                  jpeg.image_width, jpeg.image_height, samples, width, height);
    return false;
  }
  jpeg.out_color_space = samples == 1 ? JCS_GRAYSCALE : samples == 3 ? JCS_RGB : JCS_CMYK;
  jpeg.progress = &decoder.progress;
  jpeg_start_decompress(&jpeg);
  for (JDIMENSION y = 0; y < height; ++y) {
    std::uint8_t* row = image.rgb.data() + std::size_t{3} * width * y;
    JSAMPROW out = samples == 4 ? inks : row;
    jpeg_read_scanlines(&jpeg, &out, 1);
    if (samples == 1) spread_grey(row, width);
    if (samples == 4) print_inks(inks, width, row);
  }
  return true;
}

// What follows the last row, up to the end marker; the markers that were kept go with it.
bool finish(Decoder& decoder) {
  if (setjmp(decoder.back) != 0) return false;
  jpeg_finish_decompress(&decoder.jpeg);
  return true;
}

void collect(const jpeg_decompress_struct& jpeg, PictureMetadata& metadata) {
  using namespace std::string_view_literals;
  constexpr auto kExif = "Exif\0\0"sv, kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
  for (const auto* marker = jpeg.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExif)) metadata.exif += data.substr(kExif.size());  // parts of one
    if (data.starts_with(kXmp)) metadata.xmp = data.substr(kXmp.size());
  }
}

}  // namespace

void decode_jpeg(std::string_view bytes, const std::string& where, Image& image,
                 PictureMetadata* metadata) {
  Decoder decoder;
  decoder.size = decoder.at = bytes.size();
  decoder.jpeg.err = jpeg_std_error(&decoder.errors);
  decoder.jpeg.client_data = &decoder;
  decoder.errors.error_exit = on_error;
  decoder.errors.emit_message = on_message;
  decoder.progress.progress_monitor = on_progress;
  std::vector<std::uint8_t> inks(std::size_t{4} * static_cast<std::size_t>(image.width));
  bool good = read_rows(decoder, bytes, metadata != nullptr, image, inks.data());
  if (good && metadata != nullptr) collect(decoder.jpeg, *metadata);
  if (good) good = finish(decoder);
  if (decoder.out_of_memory)
    throw Error(HN_OUT_OF_MEMORY, cat("[", where, "] no memory for libjpeg"));
  if (!good)
    throw Error(HN_DATA_LOSS, cat("[", where, "] expected a whole JPEG, got \"", decoder.message,
                                  "\" at byte ", decoder.at, " of ", bytes.size()));
}

}  // namespace hn::host
