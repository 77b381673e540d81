// Golden: tests/golden/images, made and read by Pillow (make.py there); the pixels are equal.
#include <absl/strings/escaping.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <random>

#include "files/decode_image.hpp"
#include "support/gzip.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using namespace std::string_literals;
using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;
using ::testing::HasSubstr;

const std::string kGolden = HN_SOURCE_DIR "/tests/golden/images/";

std::string golden(const std::string& name) { return read_bytes(kGolden + "odd/" + name); }

void expect_golden(const std::string& section, const host::PicturesConfig& options) {
  const auto pixels = nlohmann::json::parse(hn::test::unzip(kGolden + "pixels.json.gz"));
  ASSERT_FALSE(pixels.at(section).empty());
  for (const auto& [name, wanted] : pixels.at(section).items()) {
    if (wanted.is_null()) {
      expect_error(HN_DATA_LOSS, {name, "expected a "},
                   [&, n = name] { read_image(kGolden + n, options); });
      continue;
    }
    const Image image = read_image(kGolden + name, options);
    EXPECT_EQ(image.width, wanted.at("width")) << name;
    EXPECT_EQ(image.height, wanted.at("height")) << name;
    std::string bytes;
    ASSERT_TRUE(absl::Base64Unescape(wanted.at("rgb").get<std::string>(), &bytes));
    EXPECT_TRUE(
        std::equal(image.rgb.begin(), image.rgb.end(), bytes.begin(), bytes.end(),
                   [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }))
        << name;
  }
}

TEST(DecodeImage, ReadsWhatPillowReads) { expect_golden("plain", {}); }

TEST(DecodeImage, TurnsAsPillowDoesWhenAsked) {
  host::PicturesConfig options;
  options.exif_orientation = true;
  expect_golden("turned", options);
  std::string broken = golden("turn_6.jpg");
  broken.replace(
      broken.find("MM\0*"s) == std::string::npos ? broken.find("II*") : broken.find("MM"), 2, "XX");
  expect_error(HN_DATA_LOSS, {"a.jpg", "begin as a TIFF"},
               [&] { decode_image(broken, "a.jpg", options); });
  EXPECT_EQ(decode_image(broken, "a.jpg").width, 19);  // nobody asked for it
}

// ---- What is no picture
TEST(DecodeImage, SaysWhatCame) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"", "an empty file"},
      {"GIF89a\1\0\1\0", "a GIF"},
      {"BM\x46\0\0\0"s, "a BMP"},
      {"II*\0\x08\0\0\0"s, "a TIFF"},
      {"MM\0*\0\0\0\x08"s, "a TIFF"},
      {"\0\0\0\x1c"
       "ftypavif"s,
       "an AVIF"},
      {"\0\0\0\x1c"
       "ftypheic"s,
       "a HEIC"},
      {"\xff\x0a\xfa", "a JPEG XL"},
      {"\0\0\0\x0cJXL \r\n\x87\n"s, "a JPEG XL"},
      {"<?xml version=\"1.0\"?>\n<svg width=\"1\"/>", "an SVG"},
      {"<svg/>", "an SVG"},
      {"%PDF-1.7", "a PDF"},
      {"\n<!DOCTYPE html><title>404</title>", "a web page"},
      {"<HTML><body>", "a web page"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "a Git LFS pointer"},
      {"PK\3\4", "a zip archive"},
      {std::string(100, '\0'), "a file that begins with 100 bytes of zeros"},
      {"no picture", "a text that begins with \"no picture\" (10 bytes)"},
      {"RIFF\4\0\0\0WAVE"s, "a RIFF file other than WebP"},
  };
  for (const auto& [bytes, name] : files)
    expect_error(HN_DATA_LOSS, {"[a.png] expected a PNG, JPEG or WebP picture, got ", name},
                 [&, &text = bytes] { decode_image(text, "a.png"); });
  expect_error(HN_NOT_FOUND, {"absent.png"}, [] { read_image("/absent.png"); });
}

// ---- PNG: every byte is under a checksum
std::string chunk(const std::string& name, const std::string& data) {
  const auto number = [](std::uint32_t value) {
    return std::string{char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
  };
  const std::string body = name + data;
  const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return number(static_cast<std::uint32_t>(data.size())) + body +
         number(static_cast<std::uint32_t>(sum));
}

std::string packed(const std::string& data, int level = 6) {
  uLongf size = compressBound(data.size());
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(data.data()), data.size(), level);
  out.resize(size);
  return out;
}

const std::string kSignature = "\x89PNG\r\n\x1a\n";

// 8 bit RGB of 1 x 1 around `chunks`.
std::string one_pixel(const std::string& before, const std::string& idat) {
  return kSignature + chunk("IHDR", "\0\0\0\1\0\0\0\1\x08\2\0\0\0"s) + before +
         chunk("IDAT", idat) + chunk("IEND", "");
}

const std::string kPixel = "\0\1\2\3"s;  // a filter byte, red, green, blue

TEST(DecodeImage, AFlippedBitOfAPngIsNeverRead) {
  Image image{48, 40, std::vector<std::uint8_t>(std::size_t{3} * 48 * 40)};
  std::mt19937 random(7);
  for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random() % 64);
  const std::string good = encode_png(image);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = good;
    const std::size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    try {
      EXPECT_EQ(decode_image(bytes, "a.png").rgb, image.rgb) << "bit " << bit;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_DATA_LOSS);
      ++refused;
    }
  }
  EXPECT_GE(refused, 590);
}

TEST(DecodeImage, ADamagedPngSaysWhichChunk) {
  const std::string good = one_pixel(chunk("tEXt", "a\0b"s), packed(kPixel));
  EXPECT_EQ(decode_image(good, "a.png").rgb, (std::vector<std::uint8_t>{1, 2, 3}));
  const auto refused = [](const std::string& bytes, const std::vector<std::string>& parts) {
    expect_error(HN_DATA_LOSS, parts, [&] { decode_image(bytes, "a.png"); });
  };
  for (const char* name : {"IHDR", "tEXt", "IDAT", "IEND"}) {
    std::string bytes = good;
    const std::size_t at = bytes.find(name);
    const std::size_t size = static_cast<std::uint8_t>(bytes[at - 1]);
    bytes[at + 4 + size] ^= 1;
    refused(bytes, {"[a.png] expected a whole PNG",
                    "chunk "s + name + " at byte " + std::to_string(at - 4), "checksum (CRC) 0x"});
  }
  for (std::size_t cut = 33; cut < good.size(); ++cut)
    refused(good.substr(0, cut), {"a file that ends at byte " + std::to_string(cut)});
  for (std::size_t cut = 8; cut < 33; ++cut)
    refused(good.substr(0, cut), {"before the picture's size"});
  EXPECT_EQ(decode_image(good + "more", "a.png").rgb.size(), 3u);

  std::string adler = packed(kPixel);
  adler.back() ^= 1;
  refused(one_pixel("", adler), {"cannot be unpacked", "incorrect data check"});
  refused(one_pixel("", packed(kPixel).substr(0, 8)), {"cannot be unpacked"});
  refused(one_pixel("", packed("\0\1\2"s)), {"cannot be unpacked"});
  refused(one_pixel("", packed("\7\1\2\3"s)), {"cannot be unpacked"});
  refused(one_pixel(chunk("ABCD", ""), packed(kPixel)), {"an unknown chunk ABCD at byte 33"});
  refused(kSignature + chunk("IHDR", "\0\0\0\1\0\0\0\1\x08\2\0\0\0"s) + chunk("IEND", ""),
          {"no pixels"});
  refused(kSignature + chunk("IHDR", "\0\0\0\0\0\0\0\1\x08\2\0\0\0"s) + chunk("IEND", ""),
          {"a size of 0x1 pixels"});
  refused(kSignature + chunk("IHDR", "\0\0\0\1\0\0\0\1\x08\3\0\0\0"s) +
              chunk("IDAT", packed("\0\0"s)) + chunk("IEND", ""),
          {"PLTE"});
  refused(kSignature + chunk("IHDR", "\0\0\0\1\0\0\0\1\3\2\0\0\0"s) +
              chunk("IDAT", packed(kPixel)) + chunk("IEND", ""),
          {"cannot be unpacked"});
  refused(kSignature + chunk("CgBI", "\x50\0\x20\2"s) + good.substr(8), {"CgBI"});
  refused(kSignature + chunk("gAMA", "\0\1\x86\xa0"s) + good.substr(8), {"another first chunk"});
}

TEST(DecodeImage, BombsOfAPngAreNotUnpacked) {
  const std::string bomb = packed(std::string(100 << 20, '\0'), 1);
  expect_error(HN_DATA_LOSS, {"far more image data"}, [&] {
    decode_image(one_pixel("", packed(kPixel + std::string(100 << 20, '\0'), 1)), "");
  });
  for (const auto& [name, head] :
       {std::pair{"zTXt", "a\0\0"s}, {"iCCP", "a\0\0"s}, {"iTXt", "a\0\1\0\0\0"s}})
    EXPECT_EQ(decode_image(one_pixel(chunk(name, head + bomb), packed(kPixel)), "").rgb.size(), 3u);
}

TEST(DecodeImage, PixelsAreLimitedByTheHeader) {
  host::PicturesConfig options;
  options.max_pixels = 14;
  for (const char* name : {"rgb.png", "photo.jpg", "rgba.webp", "lossy.webp"}) {
    expect_error(HN_DATA_LOSS, {name, "at most 14 pixels (--max-pixels", "got 5x3 = 15"},
                 [&] { read_image(kGolden + name, options); });
    // The header alone says so: nothing behind it was read.
    expect_error(HN_DATA_LOSS, {"got 5x3 = 15"}, [&] {
      const std::string bytes = read_bytes(kGolden + name);
      decode_image(
          name == "photo.jpg"s ? bytes.substr(0, bytes.find("\xff\xc4")) : bytes.substr(0, 33),
          name, options);
    });
  }
  options.max_pixels = 15;
  EXPECT_EQ(read_image(kGolden + "rgb.png", options).rgb.size(), 45u);
  std::string huge = read_bytes(kGolden + "rgb.png");
  huge.replace(16, 8, "\x7f\xff\xff\xff\x7f\xff\xff\xff");
  expect_error(HN_DATA_LOSS, {"at most 178956970 pixels", "2147483647x2147483647"},
               [&] { decode_image(huge, "huge.png"); });
}

// ---- JPEG: no checksum; what the decoder notices is an error
TEST(DecodeImage, ADamagedJpegIsRefusedWhereTheDecoderNotices) {
  const std::string good = golden("jpeg_restart.jpg");
  const auto refused = [](const std::string& bytes, const std::string& part) {
    expect_error(HN_DATA_LOSS, {"[a.jpg] expected a whole JPEG", part},
                 [&] { decode_image(bytes, "a.jpg"); });
  };
  for (std::size_t cut = 3; cut < good.size(); ++cut) refused(good.substr(0, cut), "byte");
  refused(good.substr(0, good.size() - 2), "\"Premature end of JPEG file\" at byte ");
  std::string bytes = good;
  bytes.insert(bytes.size() - 2, std::string(40, 'x'));
  refused(bytes, "extraneous bytes before marker 0xd9");
  bytes = good;
  bytes[bytes.find("\xff\xd1") + 1] = '\xd5';
  refused(bytes, "instead of RST1");
  bytes = good;
  bytes.insert(20, "xy");  // behind APP0
  refused(bytes, "no marker at byte 20");
  bytes = golden("jpeg_444.jpg");
  const std::size_t scan = bytes.find("\xff\xda") + 14;
  bytes.erase(scan + 40, 60);
  refused(bytes, "byte");
  bytes = golden("jpeg_444.jpg");
  bytes.replace(bytes.find("\xff\xc0"s) + 5, 2, "\0\0"s);
  refused(bytes, "a size of 35x0 pixels");
  refused(golden("jpeg_12_bits.jpg"), "precision 12");
  refused("\xff\xd8\xff\xd9", "before the picture's size");
  refused("\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0"s, "without a frame");
}

TEST(DecodeImage, ScansOfAJpegAreLimited) {
  const std::string good = golden("jpeg_progressive.jpg");
  const std::size_t first = good.find("\xff\xda"), second = good.find("\xff\xc4", first);
  std::string bytes = good.substr(0, second);
  for (int i = 0; i < 600; ++i)  // the same scan again and again
    bytes += good.substr(first, second - first);
  expect_error(HN_DATA_LOSS, {"expected a whole JPEG"},
               [&] { decode_image(bytes + "\xff\xd9", "a.jpg"); });
}

// ---- WebP: sizes of chunks, and what the decoder notices
TEST(DecodeImage, ADamagedWebpIsRefusedWhereTheDecoderNotices) {
  for (const char* name :
       {"webp_lossless_alpha.webp", "webp_lossy_alpha.webp", "webp_animated.webp"}) {
    const std::string good = golden(name);
    for (std::size_t cut = 12; cut < good.size(); cut += 7)
      expect_error(HN_DATA_LOSS, {"[a.webp] expected a whole WebP"},
                   [&] { decode_image(good.substr(0, cut), "a.webp"); });
  }
  std::string bytes = golden("webp_lossless.webp");
  bytes.replace(40, 60, std::string(60, '\xff'));
  expect_error(HN_DATA_LOSS, {"[a.webp]", "cannot be decoded"},
               [&] { decode_image(bytes, "a.webp"); });
}

}  // namespace
}  // namespace hn::host
