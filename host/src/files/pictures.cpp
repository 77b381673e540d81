#include "files/pictures.hpp"

#include <algorithm>

#include "files/decode_image.hpp"
#include "files/natural_order.hpp"

namespace hn::host {
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
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code)
    throw Error(HN_INTERNAL,
                "[pictures] " + folder.string() + " cannot be created: " + code.message());
  for (std::size_t i = 0; i < images.size(); ++i)
    write_png(folder / picture_name(i, images.size()), images[i]);
}

std::optional<std::vector<Image>> load_pictures(const std::filesystem::path& folder,
                                                std::size_t count) {
  std::vector<Image> images;
  for (std::size_t i = 0; i < count; ++i) {
    auto file = folder / picture_name(i, count);
    // Former versions wrote two digits whatever the count.
    if (!std::filesystem::exists(file)) file = folder / picture_name(i, 0);
    if (!std::filesystem::exists(file)) return std::nullopt;
    try {
      images.push_back(read_image(file));
    } catch (const Error& error) {
      if (error.code() != HN_DATA_LOSS) throw;
      return std::nullopt;
    }
  }
  return images;
}

std::string step_name(std::uint64_t step) { return "step_" + padded(step, 4) + ".png"; }
std::string picture_name(std::size_t index, std::size_t count) {
  return padded(index, std::max<std::size_t>(2, std::to_string(count).size())) + ".png";
}

std::vector<std::filesystem::path> numbered_pictures(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (auto entry = std::filesystem::directory_iterator(folder, failed);
       !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    const std::string stem = entry->path().stem().string();
    if (entry->path().extension() == ".png" && !stem.empty() &&
        stem.find_first_not_of("0123456789") == std::string::npos)
      files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end(), natural_less);
  return files;
}

}  // namespace hn::host
