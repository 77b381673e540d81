#include "files/image.hpp"

#include <algorithm>
#include <cmath>
#include <hn/formats/atomic_file.hpp>

namespace hn::host {

void write_png(const std::filesystem::path& file, const Image& image, const PngTexts& texts) {
  write_file_atomically(file, encode_png(image, texts));
}

Image to_image(const core::Tensor& images, std::int64_t index) {
  if (images.shape.size() != 4 || images.shape[1] != 3 || index < 0 || index >= images.shape[0])
    throw Error(HN_INVALID_ARGUMENT, "[image] expected images (B,3,H,W) with more than " +
                                         std::to_string(index) + " of them");
  Image image;
  image.height = static_cast<int>(images.shape[2]);
  image.width = static_cast<int>(images.shape[3]);
  const std::size_t plane = static_cast<std::size_t>(image.height) * image.width;
  image.rgb.resize(3 * plane);
  const float* source = images.data.data() + static_cast<std::size_t>(index) * 3 * plane;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = 0; i < plane; ++i) {
      const float value = source[channel * plane + i];
      if (!std::isfinite(value))
        throw Error(HN_DATA_LOSS, "[image] expected finite numbers, got " + std::to_string(value) +
                                      " in picture " + std::to_string(index));
      const float clamped = std::clamp(value, 0.0f, 1.0f);
      image.rgb[3 * i + channel] = static_cast<std::uint8_t>(std::lround(255.0f * clamped));
    }
  }
  return image;
}

core::Tensor from_images(std::span<const Image> images, std::span<const std::string> names) {
  core::Tensor out;
  if (images.empty()) return out;
  const int width = images[0].width;
  const int height = images[0].height;
  const std::size_t plane = static_cast<std::size_t>(height) * width;
  out.shape = {static_cast<std::int64_t>(images.size()), 3, height, width};
  out.data.resize(images.size() * 3 * plane);
  float* target = out.data.data();
  for (std::size_t b = 0; b < images.size(); ++b) {
    if (images[b].width != width || images[b].height != height)
      throw Error(HN_INVALID_ARGUMENT, "[images] expected one size, got " + names[b] + " with " +
                                           std::to_string(images[b].width) + "x" +
                                           std::to_string(images[b].height) + " after " + names[0] +
                                           " with " + std::to_string(width) + "x" +
                                           std::to_string(height));
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t i = 0; i < plane; ++i)
        *target++ = static_cast<float>(images[b].rgb[3 * i + channel]) / 255.0f;
  }
  return out;
}

Image enlarge(const Image& image, int factor) {
  Image out;
  out.width = image.width * factor;
  out.height = image.height * factor;
  out.rgb.resize(std::size_t{3} * out.width * out.height);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const std::size_t from = 3 * (std::size_t(y / factor) * image.width + x / factor);
      std::copy_n(&image.rgb[from], 3, &out.rgb[3 * (std::size_t(y) * out.width + x)]);
    }
  }
  return out;
}

Image grid(std::span<const Image> images, int columns, int gap) {
  Image out;
  if (images.empty()) return out;
  const int count = static_cast<int>(images.size());
  columns = std::clamp(columns, 1, count);
  const int rows = (count + columns - 1) / columns;
  const int width = images[0].width;
  const int height = images[0].height;
  out.width = columns * width + (columns - 1) * gap;
  out.height = rows * height + (rows - 1) * gap;
  out.rgb.assign(std::size_t{3} * out.width * out.height, 255);
  for (int i = 0; i < count; ++i) {
    if (images[i].width != width || images[i].height != height)
      throw Error(HN_INVALID_ARGUMENT, "[grid] expected pictures of one size");
    const std::size_t left = std::size_t(i % columns) * (width + gap);
    const std::size_t top = std::size_t(i / columns) * (height + gap);
    for (int y = 0; y < height; ++y)
      std::copy_n(&images[i].rgb[std::size_t{3} * y * width], 3 * width,
                  &out.rgb[3 * ((top + y) * out.width + left)]);
  }
  return out;
}

}  // namespace hn::host
