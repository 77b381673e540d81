// Small files, hashes and standard folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <hn/formats/input_file.hpp>
#include <string>

namespace hn::host {

// A small file's bytes: a manifest of gigabytes is no manifest. Errors: those of read_whole_file.
std::string read_file(const std::filesystem::path& file, std::uint64_t max_bytes = 64u << 20);

// 64 lower-case hex digits of what is still to be read of a file, and of a whole one.
// Errors: those of InputFile.
std::string sha256_of(InputFile& file);
std::string sha256_file(const std::filesystem::path& path);

// Absolute, without "." and ".." and without a slash at its end.
std::filesystem::path tidy(const std::filesystem::path& path);

// An environment variable, empty when it is not set.
std::string environment(const char* name);

// $HOME, empty when it is not set.
std::filesystem::path home_folder();

}  // namespace hn::host
