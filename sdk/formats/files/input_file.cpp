#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <utility>

namespace hn {
namespace {

constexpr std::size_t kPart = std::size_t{1} << 20;

[[noreturn]] void cannot_be_read(const std::string& where, const std::string& reason) {
  throw Error(HN_NOT_FOUND, where + ": cannot be read: " + reason);
}

[[noreturn]] void wrong_kind(const std::string& where, mode_t mode) {
  cannot_be_read(where, std::string("it is ") + file_kind(mode) + ", expected a regular file");
}

}  // namespace

const char* file_kind(mode_t mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO (pipe)";
  if (S_ISSOCK(mode)) return "a socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

void check_path(const std::filesystem::path& path) {
  const std::string& text = path.native();
  const std::size_t zero = text.find('\0');
  if (zero == std::string::npos) return;
  throw Error(HN_INVALID_ARGUMENT, text.substr(0, zero) + "\\0" +
                                       text.substr(zero + 1, 40).c_str() +
                                       ": expected a path, got a zero byte in it");
}

InputFile::InputFile(const std::filesystem::path& path, std::string where)
    : where_(std::move(where)) {
  check_path(path);
  // O_NONBLOCK: a FIFO without a writer opens at once, to be refused below.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  const int error_number = errno;
  struct stat status {};
  if (descriptor_ < 0) {
    // A socket, or a device that is not there, cannot be opened at all.
    const bool known = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
    if (known && error_number != EACCES) wrong_kind(where_, status.st_mode);
    cannot_be_read(where_, std::strerror(error_number));
  }
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    wrong_kind(where_, status.st_mode);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

std::size_t InputFile::read(void* into, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(descriptor_, static_cast<char*>(into) + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error(HN_DATA_LOSS, where_ + ": cannot be read after " + std::to_string(done) +
                                    " bytes: " + std::strerror(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::string read_whole_file(const std::filesystem::path& path, std::size_t max_bytes) {
  InputFile file(path);
  const auto too_large = [&](std::uint64_t size) {
    throw Error(HN_DATA_LOSS, path.string() + ": expected at most " + std::to_string(max_bytes) +
                                  " bytes, got " + std::to_string(size));
  };
  if (file.size() > max_bytes) too_large(file.size());
  // To the end, not to the size: some file systems give sizes of 0, and others may append.
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  std::size_t done = file.read(text.data(), text.size());
  if (done < text.size())
    throw Error(HN_DATA_LOSS, path.string() + ": expected " + std::to_string(text.size()) +
                                  " bytes, got " + std::to_string(done));
  while (true) {
    text.resize(std::min(done + kPart, max_bytes + 1));
    const std::size_t n = file.read(text.data() + done, text.size() - done);
    done += n;
    if (done > max_bytes) too_large(done);
    if (n == 0) break;
  }
  text.resize(done);
  return text;
}

}  // namespace hn
