// Goldens are kept compressed.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace hn::test {

// What a gzip file holds; a file that is none comes as it is.
inline std::string unzip(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  std::vector<char> chunk(1 << 16);
  for (int n = 0; (n = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(n));
  return text;
}

}  // namespace hn::test
