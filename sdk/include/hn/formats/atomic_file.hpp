// Files that are either wholly there or not there at all.
//
// A file is written under a temporary name in the same folder, flushed to the disk (fsync), renamed
// over the final name, and the folder is flushed too; so a reader, or a process that starts after a
// power cut, sees the old file or the new one and nothing between.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hn {

// One file being written. Not thread safe; movable is not needed, so it is neither copied nor
// moved.
//
// Errors: hn::Error(HN_INTERNAL) that names the final path, the system's reason ("No space left on
// device") and how many bytes were written so far; HN_NOT_FOUND where the folder does not exist.
// Whatever fails, the temporary file is removed and a file that was already under the final name
// stays as it was.
class AtomicFile {
 public:
  // Creates the temporary file, mode 0644 less the umask. `path` may be relative; its folder must
  // exist.
  explicit AtomicFile(const std::filesystem::path& path);
  // Removes the temporary file where commit() was not reached.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends `size` bytes.
  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }

  // Flushes, closes and renames. Call once, last.
  void commit();

 private:
  [[noreturn]] void fail(const char* action, int error_number);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::size_t written_ = 0;
};

// Writes `text` as the whole content of `path`, atomically. Errors: as AtomicFile.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// A temporary file's name: ".NAME.tmp.PROCESS.NUMBER".
struct UnfinishedFile {
  std::string name;  // what it was to become, without its folder
  long process = 0;  // that wrote it
  bool writer_lives() const;
};
// Nothing for a file name that AtomicFile does not give.
std::optional<UnfinishedFile> unfinished_file(std::string_view name);

// Removes the temporary files in `folder` (not below it) that `abandoned` says are: those of a
// killed process stay for ever otherwise. A folder that is not there has none. Errors: HN_INTERNAL
// names the file that cannot be removed.
void remove_unfinished(const std::filesystem::path& folder,
                       const std::function<bool(const UnfinishedFile&)>& abandoned);

}  // namespace hn
