#include "files/append_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>

namespace hn::host {

AppendFile::AppendFile(std::filesystem::path file, std::uint64_t keep, AppendTo to)
    : file_(std::move(file)) {
  check_path(file_);
  // O_NONBLOCK: a FIFO that nobody reads would wait for a reader.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const bool own = to == AppendTo::kOwnFile;
  descriptor_ = ::open(file_.c_str(), own ? kFlags | O_NOFOLLOW : kFlags, 0644);
  const int opening = errno;
  const auto refuse = [&](hn_status code, const std::string& why) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw Error(code, "[" + file_.string() + "] cannot be opened for writing: " + why);
  };
  if (own && descriptor_ < 0 && opening == ELOOP)
    refuse(HN_NOT_FOUND,
           "it is a symbolic link, and what it names would be changed in place; remove the link");
  struct stat status {};
  const bool known =
      (descriptor_ < 0 ? ::stat(file_.c_str(), &status) : ::fstat(descriptor_, &status)) == 0;
  // Devices such as /dev/null take records too; what can hold writing up, or is no file, does not.
  if (known && !S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
    refuse(HN_NOT_FOUND, std::string("it is ") + file_kind(status.st_mode) + ", expected a file");
  if (descriptor_ < 0)
    refuse(opening == ENOSPC ? HN_INTERNAL : HN_NOT_FOUND, std::strerror(opening));
  // A terminal is written as any file is, waiting where it must.
  ::fcntl(descriptor_, F_SETFL, O_APPEND);
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
  // A record behind half of another would be lost with it.
  if (torn_ && ::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0)
    fail("ends in half a record that cannot be taken back", errno);
  torn_ = false;
  std::size_t done = 0;
  while (done < record.size()) {
    const ssize_t n = ::write(descriptor_, record.data() + done, record.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error_number = errno;
      // A failing disk may refuse this too, and the first error is the one to tell.
      torn_ = done > 0 && ::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0;
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

}  // namespace hn::host
