// Goldens are kept compressed.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
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

// The folder's copy of a compressed file, without its .gz.
inline std::filesystem::path unzip_into(const std::filesystem::path& folder,
                                        const std::filesystem::path& path) {
  const std::filesystem::path copy = folder / path.stem();
  const std::string bytes = unzip(path);
  std::ofstream(copy, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return copy;
}

}  // namespace hn::test
