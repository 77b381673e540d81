// Golden: tests/golden/images (make.py there).
#include <limits>

#include "files/decode_image.hpp"
#include "files/pictures.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;

const std::string kGolden = HN_SOURCE_DIR "/tests/golden/images/";

Image plain(int width, int height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(std::size_t(3) * width * height, value)};
}

TEST(Image, PngRoundTrip) {
  Image image = plain(7, 4, 0);
  for (std::size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<std::uint8_t>(i * 3);
  const std::string bytes = encode_png(image);
  EXPECT_EQ(bytes, encode_png(image));
  const Image back = decode_image(bytes, "test");
  EXPECT_EQ(back.width, 7);
  EXPECT_EQ(back.height, 4);
  EXPECT_EQ(back.rgb, image.rgb);
  expect_error(HN_INVALID_ARGUMENT, {"[png]", "0x0"}, [] { encode_png({}); });
}

TEST(Image, PngTextsStandInChunks) {
  const Image image = plain(3, 2, 7);
  const std::string bytes = encode_png(image, {{"prompt", "a red cat"}, {"name", "grün"}});
  EXPECT_NE(bytes.find(std::string("tEXtprompt\0a red cat", 20)), std::string::npos);
  // iTXt: keyword, not compressed, method, no language, no translated keyword, UTF-8.
  EXPECT_NE(bytes.find(std::string("iTXtname\0\0\0\0\0grün", 18)), std::string::npos);
  EXPECT_EQ(decode_image(bytes, "test").rgb, image.rgb);
}

TEST(Image, FloatsAreRoundedAndClamped) {
  core::Tensor images;
  images.shape = {1, 3, 1, 2};
  images.data = {0.0f, 1.0f, 0.5f, -3.0f, 7.0f, 0.25f};
  const Image image = to_image(images, 0);
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{0, 128, 255, 255, 0, 64}));
  expect_error(HN_INVALID_ARGUMENT, {"expected images"}, [&] { to_image(images, 1); });
}

TEST(Image, WhatIsNotFiniteIsNoPicture) {
  core::Tensor images;
  images.shape = {1, 3, 1, 1};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    images.data = {0.5f, bad, 0.5f};
    expect_error(HN_DATA_LOSS, {"[image] expected finite numbers", "picture 0"},
                 [&] { to_image(images, 0); });
  }
}

TEST(Image, ToTensorAndBack) {
  const Image a = read_image(kGolden + "rgb.png");
  const std::vector<Image> both = {a, plain(5, 3, 9)};
  const std::vector<std::string> names = {"a", "b"};
  const core::Tensor tensor = from_images(both, names);
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 3, 3, 5}));
  EXPECT_EQ(to_image(tensor, 0).rgb, a.rgb);
  EXPECT_EQ(to_image(tensor, 1).rgb, both[1].rgb);
  const std::vector<Image> mixed = {a, plain(4, 3, 9)};
  expect_error(HN_INVALID_ARGUMENT, {"b with 4x3"}, [&] { from_images(mixed, names); });
}

TEST(Image, GridAndEnlarge) {
  const std::vector<Image> tiles = {plain(2, 1, 10), plain(2, 1, 20), plain(2, 1, 30)};
  const Image sheet = grid(tiles, 2, 1);
  EXPECT_EQ(sheet.width, 5);
  EXPECT_EQ(sheet.height, 3);
  EXPECT_EQ(sheet.rgb[0], 10);
  EXPECT_EQ(sheet.rgb[3 * 2], 255);  // the gap
  EXPECT_EQ(sheet.rgb[3 * 3], 20);
  EXPECT_EQ(sheet.rgb[3 * (2 * 5)], 30);
  EXPECT_EQ(sheet.rgb[3 * (2 * 5 + 3)], 255);  // no fourth picture
  const Image large = enlarge(tiles[0], 3);
  EXPECT_EQ(large.width, 6);
  EXPECT_EQ(large.height, 3);
  EXPECT_EQ(contact_sheet(tiles).width, 2 * 64 * 3 + 2 * 4);
}

TEST(Image, PicturesOfARunComeBack) {
  const TestFolder folder;
  const std::vector<Image> images = {plain(3, 2, 1), plain(3, 2, 2)};
  save_pictures(folder.path() / "before", images);
  const auto back = load_pictures(folder.path() / "before", 2);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ((*back)[1].rgb, images[1].rgb);
  EXPECT_FALSE(load_pictures(folder.path() / "before", 3).has_value());
}

}  // namespace
}  // namespace hn::host
