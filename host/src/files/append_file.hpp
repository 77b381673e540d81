// A file that only grows, one whole record at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace hn::host {

// kAnyFile: what the user named, a link or a device too. kOwnFile: a file of the run's own; a
// symbolic link is refused, since what it names would be cut in place.
enum class AppendTo { kAnyFile, kOwnFile };

// Every append() reaches the operating system before it returns, so a killed process loses nothing
// that was appended; a record that a full disk cut off is taken back, so the file always ends with
// a whole one.
// Errors: HN_NOT_FOUND (the folder does not exist or is not writable; under the name stands a
// folder, a FIFO or a socket, named as what it is; kOwnFile: a link), HN_INTERNAL with the path and
// the system's reason ("No space left on device"). [one-at-a-time]
class AppendFile {
 public:
  // Creates the file, or cuts an existing one to its first `keep` bytes.
  AppendFile(std::filesystem::path file, std::uint64_t keep, AppendTo to = AppendTo::kAnyFile);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view record);
  // Down to the disk: called where a checkpoint is written, so that metrics never lag behind it.
  void sync();

 private:
  [[noreturn]] void fail(const char* action, int error_number) const;

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  bool torn_ = false;  // half a record stands behind size_
};

}  // namespace hn::host
