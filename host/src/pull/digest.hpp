// Sums of downloaded files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace hn::pull {

enum class Sum {
  kNone,    // the server gave nothing that can be checked: only the size is
  kSha256,  // 64 hex digits: large files
  kGit      // 40 hex digits: git's SHA-1 of "blob SIZE\0" and the content, small files
};

// By the length and the digits of an ETag, which for Hugging Face is one of the two.
Sum sum_kind(const std::string& hex);
const char* sum_name(Sum kind);  // "sha256", "git-sha1", "size"

// Of the whole file, as lower-case hex. advance(bytes) is called as it goes on and may throw.
std::string file_sum(const std::filesystem::path& file, Sum kind,
                     const std::function<void(std::uint64_t)>& advance = {});

}  // namespace hn::pull
