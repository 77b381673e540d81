#include "run/append_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>

namespace hn::run {

AppendFile::AppendFile(std::filesystem::path file, std::uint64_t keep) : file_(std::move(file)) {
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw Error(errno == ENOSPC ? HN_INTERNAL : HN_NOT_FOUND,
                "[" + file_.string() + "] cannot be opened for writing: " + std::strerror(errno));
  // A device such as /dev/full has no length to set.
  if (::ftruncate(descriptor_, static_cast<off_t>(keep)) != 0 && errno != EINVAL) {
    const int error_number = errno;
    ::close(descriptor_);
    fail("cannot be cut to its kept part", error_number);
  }
  size_ = keep;
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::string_view record) {
  std::size_t done = 0;
  while (done < record.size()) {
    const ssize_t n = ::write(descriptor_, record.data() + done, record.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error_number = errno;
      // Best effort: a failing disk may refuse this too, and the first error is the one to tell.
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor_, static_cast<off_t>(size_));
      fail("cannot be written", error_number);
    }
    done += static_cast<std::size_t>(n);
  }
  size_ += record.size();
}

void AppendFile::sync() {
  if (::fdatasync(descriptor_) != 0 && errno != EINVAL) fail("cannot be flushed to disk", errno);
}

void AppendFile::fail(const char* action, int error_number) const {
  throw Error(HN_INTERNAL, "[" + file_.string() + "] " + action + " after " +
                               std::to_string(size_) + " bytes: " + std::strerror(error_number));
}

}  // namespace hn::run
