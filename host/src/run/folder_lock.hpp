// One process at a time in a folder.
#pragma once

#include <filesystem>
#include <string>

namespace hn::host {

// FOLDER/.lock, held as long as the object lives. The system drops it with the process, so a killed
// one leaves none behind; the file stays, since removing it would let two later processes lock two
// different files.
class FolderLock {
 public:
  static constexpr const char* kName = ".lock";

  // where, what: for messages, "run directory" and "another run". Errors: HN_INVALID_ARGUMENT
  // (another process holds it, which is named; the file is a link or no regular file), HN_NOT_FOUND
  // (the folder is not writable).
  FolderLock(const std::filesystem::path& folder, const std::string& where,
             const std::string& what);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace hn::host
