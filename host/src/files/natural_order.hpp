// The order in which people count: "2.png" before "10.png".
#pragma once

#include <filesystem>

namespace hn::host {

// Folder by folder; runs of the digits 0-9 by their value ("2" < "10", "07" with "7"), everything
// else byte by byte. Names of one value ("07", "7") follow by their bytes, so that two different
// paths are never equal.
bool natural_less(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace hn::host
