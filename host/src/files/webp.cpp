// The one place that names libwebp.
#include <webp/decode.h>
#include <webp/demux.h>

#include <hn/cpp/error.hpp>
#include <memory>

#include "files/picture_formats.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using host::cat;

[[noreturn]] void fail(const std::string& where, const std::string& got) {
  throw Error(HN_DATA_LOSS, cat("[", where, "] expected a whole WebP, got ", got));
}

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "the data end too early";
    case VP8_STATUS_BITSTREAM_ERROR: return "the bit stream is broken";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that libwebp does not know";
    default: return "libwebp refuses it";
  }
}

std::string chunk_of(const WebPDemuxer* file, const char* name) {
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(file, name, 1, &chunk) == 0) return "";
  std::string data(reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return data;
}

// Into the frame's place on the canvas, which is black around it.
void decode_frame(const WebPIterator& frame, const std::string& where, Image& image) {
  const auto stride = 3 * image.width;
  if (frame.x_offset < 0 || frame.y_offset < 0 || frame.x_offset + frame.width > image.width ||
      frame.y_offset + frame.height > image.height)
    fail(where, "a frame outside of its canvas");
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) fail(where, "another version of libwebp");
  const std::size_t begin =
      static_cast<std::size_t>(frame.y_offset) * static_cast<std::size_t>(stride) +
      std::size_t{3} * static_cast<std::size_t>(frame.x_offset);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.rgb.data() + begin, stride, image.rgb.size() - begin};
  const VP8StatusCode status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OUT_OF_MEMORY)
    throw Error(HN_OUT_OF_MEMORY, cat("[", where, "] no memory for libwebp"));
  if (status != VP8_STATUS_OK) fail(where, cat("pixels that cannot be decoded: ", reason(status)));
}

}  // namespace

void decode_webp(std::string_view bytes, const std::string& where, Image& image,
                 PictureMetadata* metadata) {
  const WebPData data = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> file(WebPDemux(&data),
                                                                  WebPDemuxDelete);
  if (file == nullptr)
    fail(where, cat(bytes.size(), " bytes whose chunks are cut or do not fit together"));
  if (WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_WIDTH) != static_cast<std::uint32_t>(image.width) ||
      WebPDemuxGetI(file.get(), WEBP_FF_CANVAS_HEIGHT) != static_cast<std::uint32_t>(image.height))
    fail(where, "another size than its header's");
  WebPIterator frame;
  if (WebPDemuxGetFrame(file.get(), 1, &frame) == 0) fail(where, "no frame");
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(&frame,
                                                                       WebPDemuxReleaseIterator);
  decode_frame(frame, where, image);
  if (metadata == nullptr) return;
  metadata->exif = chunk_of(file.get(), "EXIF");
  metadata->xmp = chunk_of(file.get(), "XMP ");
}

}  // namespace hn::host
