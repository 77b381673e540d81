// The pictures of a run directory: single files, and sheets for the eye.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "run/image.hpp"

namespace hn::run {

// Up to 8 columns; pictures below 128 px are enlarged by whole factors.
Image contact_sheet(const std::vector<Image>& images);

// folder/00.png, 01.png, ...; the folder is made.
void save_pictures(const std::filesystem::path& folder, const std::vector<Image>& images);
// What save_pictures wrote, when all `count` of them are there.
std::optional<std::vector<Image>> load_pictures(const std::filesystem::path& folder,
                                                std::size_t count);

// "step_0040.png".
std::string step_name(std::uint64_t step);
// "07.png".
std::string picture_name(std::size_t index);

}  // namespace hn::run
