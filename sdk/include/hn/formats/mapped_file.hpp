// A whole file as read-only memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace hn {

// A read-only mapping of one regular file; neither copied nor moved. Any thread may read.
//
// The file must not be truncated in place while it is mapped (the system then kills the process
// with SIGBUS); a file replaced by renaming is safe.
class MappedFile {
 public:
  // `label` begins the messages, e.g. "[safetensors]". Errors: those of InputFile,
  // HN_OUT_OF_MEMORY (no address space).
  MappedFile(const std::filesystem::path& path, const std::string& label);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  std::uint64_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data(), size_}; }
  // Gives the memory back that reading this part of it took: the system reads it from the file
  // again when it is needed. For what was converted and is not read again soon.
  void release(const std::byte* part, std::uint64_t size) const;

 private:
  void* data_ = nullptr;  // nullptr for an empty file
  std::uint64_t size_ = 0;
};

}  // namespace hn
