// The pictures of a run directory: single files, and sheets for the eye.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "files/image.hpp"

namespace hn::host {

// Up to 8 columns; pictures below 128 px are enlarged by whole factors.
Image contact_sheet(const std::vector<Image>& images);

// folder/00.png, 01.png, ... (picture_name); the folder is made.
void save_pictures(const std::filesystem::path& folder, const std::vector<Image>& images);
// What save_pictures wrote, when all `count` of them are there and whole.
std::optional<std::vector<Image>> load_pictures(const std::filesystem::path& folder,
                                                std::size_t count);

// "step_0040.png".
std::string step_name(std::uint64_t step);
// "07.png" of 8, "0007.png" of 1,000: as many digits as the count has, two at least.
std::string picture_name(std::size_t index, std::size_t count);
// The files of such names in a folder, in the order of their numbers; none where there is no
// folder.
std::vector<std::filesystem::path> numbered_pictures(const std::filesystem::path& folder);

}  // namespace hn::host
