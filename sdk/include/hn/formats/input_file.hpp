// The one place that opens an existing file for reading.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace hn {

// A regular file, open for reading. Anything else that stands under the name is refused and told:
// a folder, a FIFO (opening one would wait for a writer, reading a device might never end), a
// socket, a device. Neither copied nor moved.
class InputFile {
 public:
  // Errors: HN_NOT_FOUND "WHERE: cannot be read: REASON" (missing, no permission, not a regular
  // file); HN_INVALID_ARGUMENT (a zero byte in the path, behind which the system would not look).
  explicit InputFile(const std::filesystem::path& path) : InputFile(path, path.string()) {}
  InputFile(const std::filesystem::path& path, std::string where);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  int descriptor() const { return descriptor_; }  // stays this object's
  std::uint64_t size() const { return size_; }    // bytes, when it was opened

  // The next bytes, `size` of them unless the file ends before; how many came.
  // Errors: HN_DATA_LOSS with the system's reason.
  std::size_t read(void* into, std::size_t size);

 private:
  std::string where_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// What stands under a mode that is not a regular file's, for messages: "a folder", "a FIFO (pipe)".
const char* file_kind(mode_t mode);

// Refuses a path with a zero byte: the system would take the part before it.
// Errors: HN_INVALID_ARGUMENT that shows the path with "\0".
void check_path(const std::filesystem::path& path);

inline constexpr std::size_t kMaxFileBytes = std::size_t{512}
                                             << 20;  // Gemma's tokenizer.json has 34 MB

// The whole file as bytes. Errors: those of InputFile, HN_DATA_LOSS (above max_bytes, or shorter
// than it was when it was opened).
std::string read_whole_file(const std::filesystem::path& path,
                            std::size_t max_bytes = kMaxFileBytes);

}  // namespace hn
