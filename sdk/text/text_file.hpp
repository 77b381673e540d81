// Vocabulary files as text: plain or gzip, read whole, cut into lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// The whole text of a file, unzipped where it is gzip. `where` starts the messages.
// Errors: HN_NOT_FOUND (not readable), HN_DATA_LOSS (a gzip file cut short, above 64 MiB of text).
std::string read_text_file(const std::filesystem::path& path, const std::string& where);

// The lines without their ends ("\n" or "\r\n"); no empty one behind the last end.
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace hn
