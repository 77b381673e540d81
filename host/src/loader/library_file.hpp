// The file of a library from the look at its bytes to the use of its code.
#pragma once

#include <filesystem>
#include <hn/formats/input_file.hpp>
#include <string>

namespace hn::host {

// Opened once: what is hashed here is what the linker was given. The linker itself is given the
// path and not /proc/self/fd, under which $ORIGIN, debuggers and dladdr would lose the bundle, and
// two plugins could come under one name.
class LibraryFile {
 public:
  // Errors: those of InputFile.
  explicit LibraryFile(const std::filesystem::path& path);

  const std::string& sha256() const { return sha256_; }

  // After it was opened: HN_DATA_LOSS when the object with this address in it is not made of this
  // file's bytes. That is so when the file was exchanged in between, and when the process had
  // opened an earlier file of this path before: the linker then gives that one again.
  void require_mapped(const void* address) const;

 private:
  std::filesystem::path path_;
  InputFile file_;
  std::string sha256_;
};

}  // namespace hn::host
