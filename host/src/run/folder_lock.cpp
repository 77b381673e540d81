#include "run/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>

namespace hn::host {
namespace fs = std::filesystem;

FolderLock::FolderLock(const fs::path& folder, const std::string& where, const std::string& what) {
  const fs::path file = folder / kName;
  const std::string place = "[" + where + "] ";
  // The lock's holder is written into it, so it must be ours: no link to a file of somebody's.
  file_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  struct stat status {};
  const bool link = file_ < 0 && errno == ELOOP;
  if (link || (file_ >= 0 && (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)))) {
    if (file_ >= 0) ::close(file_);
    throw Error(
        HN_INVALID_ARGUMENT,
        place + file.string() + " is " +
            (link ? "a symbolic link, whose target would be overwritten" : "no regular file") +
            "; remove it");
  }
  if (file_ < 0)
    throw Error(HN_NOT_FOUND,
                place + folder.string() + " is not writable: " + std::strerror(errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) {
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Only for the message below; the lock holds without it.
    [[maybe_unused]] const int cut = ::ftruncate(file_, 0);
    [[maybe_unused]] const ssize_t written = ::write(file_, pid.data(), pid.size());
    return;
  }
  const int error_number = errno;
  std::array<char, 32> pid{};
  const ssize_t n = ::read(file_, pid.data(), pid.size() - 1);
  std::string holder(pid.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  ::close(file_);
  if (error_number != EWOULDBLOCK)
    throw Error(HN_INTERNAL,
                place + file.string() + " cannot be locked: " + std::strerror(error_number));
  throw Error(HN_INVALID_ARGUMENT, place + folder.string() + " is in use by " + what +
                                       " (process " + (holder.empty() ? "unknown" : holder) + ")");
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace hn::host
