// Torch archives built byte by byte, honest or lying, for the tests of the reader.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "formats/pickle/crc32.hpp"

namespace hn::test {

// A file that is gone at the end.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(std::filesystem::temp_directory_path() /
              ("hn_torch_" + std::to_string(::getpid()) + ".pt")) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// Pickle: a text, a 64-bit integer, a global, a tuple of integers.
inline std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline std::string integer(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string integers(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += integer(value);
  return out + "t";
}
// _rebuild_tensor_v2 over the storage `key` of `elements` elements.
inline std::string tensor(const std::string& key, const std::string& type, std::int64_t elements,
                          std::int64_t offset, const std::vector<std::int64_t>& size,
                          const std::vector<std::int64_t>& stride,
                          const std::string& metadata = "") {
  return global("torch._utils", "_rebuild_tensor_v2") + "((" + text("storage") +
         global("torch", type + "Storage") + text(key) + text("cpu") + integer(elements) + "tQ" +
         integer(offset) + integers(size) + integers(stride) + "\x89" +
         global("collections", "OrderedDict") + ")R" + metadata + "tR";
}

using TorchData = std::vector<std::pair<std::string, std::string>>;  // key or name, bytes

struct ZipOptions {  // of the last member, except `more` and `overlap` (the first reaches into the
                     // next)
  std::uint16_t method = 0, flags = 0;
  bool crc_error = false, twice = false, overlap = false, local_name_lie = false;
  std::uint32_t size_lie = 0;
  std::uint16_t extra_entries = 0;
  TorchData more;
};

inline std::string zip_file(const TorchData& members, const ZipOptions& options = {}) {
  std::string file, directory;
  std::size_t count = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& [name, bytes] = members[i];
    const bool last = i + 1 == members.size();
    const ZipOptions lie = last ? options : ZipOptions{};
    std::uint32_t crc = crc32({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
    if (lie.crc_error) ++crc;
    const std::size_t size = bytes.size() + lie.size_lie + (options.overlap && i == 0 ? 8 : 0);
    const std::size_t offset = file.size();
    const std::string sizes = little(crc, 4) + little(size, 4) + little(size, 4);
    const std::string head = little(20, 2) + little(lie.flags, 2) + little(lie.method, 2) +
                             little(0, 4) + sizes + little(name.size(), 2);
    std::string stored_name = name;
    if (lie.local_name_lie) stored_name[0] = 'X';
    file += "PK\3\4" + head + little(0, 2) + stored_name + bytes;
    const std::string entry = "PK\1\2" + little(20, 2) + head.substr(0, head.size() - 2) +
                              little(name.size(), 2) + little(0, 2) + little(0, 2) + little(0, 2) +
                              little(0, 2) + little(0, 4) + little(offset, 4) + name;
    directory += entry;
    ++count;
    if (lie.twice) directory += entry, ++count;
  }
  count += options.extra_entries;
  return file + directory + "PK\5\6" + little(0, 4) + little(count, 2) + little(count, 2) +
         little(directory.size(), 4) + little(file.size(), 4) + little(0, 2);
}

// archive/data.pkl with this program, and archive/data/KEY for each storage.
inline std::string torch_zip(const std::string& program, const TorchData& storages = {},
                             char protocol = '\2', const ZipOptions& options = {}) {
  TorchData members = options.more;
  members.emplace_back("archive/data.pkl", std::string("\x80") + protocol + program);
  for (const auto& [key, bytes] : storages) members.emplace_back("archive/data/" + key, bytes);
  return zip_file(members, options);
}

}  // namespace hn::test
