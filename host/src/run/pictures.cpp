#include "run/pictures.hpp"

#include <algorithm>

namespace hn::run {
namespace {

std::string padded(std::uint64_t number, std::size_t digits) {
  std::string text = std::to_string(number);
  return std::string(digits - std::min(digits, text.size()), '0') + text;
}

}  // namespace

Image contact_sheet(const std::vector<Image>& images) {
  if (images.empty()) return {};
  const int side = std::max(images[0].width, images[0].height);
  const int factor = std::max(1, 128 / std::max(1, side));
  std::vector<Image> shown;
  for (const Image& image : images) shown.push_back(enlarge(image, factor));
  return grid(shown, 8, 4);
}

void save_pictures(const std::filesystem::path& folder, const std::vector<Image>& images) {
  std::filesystem::create_directories(folder);
  for (std::size_t i = 0; i < images.size(); ++i) write_png(folder / picture_name(i), images[i]);
}

std::optional<std::vector<Image>> load_pictures(const std::filesystem::path& folder,
                                                std::size_t count) {
  std::vector<Image> images;
  for (std::size_t i = 0; i < count; ++i) {
    const auto file = folder / picture_name(i);
    if (!std::filesystem::exists(file)) return std::nullopt;
    images.push_back(read_image(file));
  }
  return images;
}

std::string step_name(std::uint64_t step) { return "step_" + padded(step, 4) + ".png"; }
std::string picture_name(std::size_t index) { return padded(index, 2) + ".png"; }

}  // namespace hn::run
