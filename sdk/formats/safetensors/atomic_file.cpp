#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/input_file.hpp>
#include <string>

namespace hn {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

constexpr std::string_view kMark = ".tmp.";

// Takes ".DIGITS" off the end of `text`.
std::optional<long> take_number(std::string_view& text) {
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(dot + 1);
  long number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0)
    return std::nullopt;
  text.remove_suffix(digits.size() + 1);
  return number;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  check_path(path);
  // The counter keeps two writers of one process apart, the process id two processes; O_EXCL
  // refuses what is left over.
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = ".";
    name.append(path_.filename().string()).append(kMark).append(std::to_string(::getpid()));
    temporary_ = folder_of(path_) / name.append(".").append(std::to_string(counter.fetch_add(1)));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor_ >= 0) return;
    if (errno != EEXIST) break;
  }
  const int error_number = errno;
  temporary_.clear();
  throw Error(error_number == ENOENT || error_number == ENOTDIR ? HN_NOT_FOUND : HN_INTERNAL,
              path_.string() + ": expected to create a file in " + folder_of(path_).string() +
                  ", got: " + std::strerror(error_number));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* action, int error_number) {
  throw Error(HN_INTERNAL, path_.string() + ": expected to " + action + ", got after " +
                               std::to_string(written_) + " bytes: " + std::strerror(error_number));
}

void AtomicFile::write(const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(descriptor_, bytes, size);
    if (n < 0) {
      if (errno == EINTR) continue;
      fail("write", errno);
    }
    bytes += n;
    size -= static_cast<std::size_t>(n);
    written_ += static_cast<std::size_t>(n);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("flush to the disk", errno);
  // Network file systems may report a full disk only here.
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("close", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename the temporary file", errno);
  temporary_.clear();
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail("open the folder to flush it", errno);
  const int flushed = ::fsync(folder);
  const int error_number = errno;
  ::close(folder);
  // Some file systems cannot flush a folder and say so with EINVAL; the file itself is safe by
  // then.
  if (flushed != 0 && error_number != EINVAL) fail("flush the folder", error_number);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

bool UnfinishedFile::writer_lives() const {
  return ::kill(static_cast<pid_t>(process), 0) == 0 || errno == EPERM;
}

std::optional<UnfinishedFile> unfinished_file(std::string_view name) {
  if (!name.starts_with('.')) return std::nullopt;
  name.remove_prefix(1);
  const auto number = take_number(name);
  const auto process = number ? take_number(name) : std::nullopt;
  // The mark's last dot went with the process.
  const std::string_view mark = kMark.substr(0, kMark.size() - 1);
  if (!process || !name.ends_with(mark) || name.size() == mark.size()) return std::nullopt;
  return UnfinishedFile{std::string(name.substr(0, name.size() - mark.size())), *process};
}

void remove_unfinished(const std::filesystem::path& folder,
                       const std::function<bool(const UnfinishedFile&)>& abandoned) {
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    const auto file = unfinished_file(entry.path().filename().string());
    if (!file || !abandoned(*file) || ::unlink(entry.path().c_str()) == 0 || errno == ENOENT)
      continue;
    throw Error(HN_INTERNAL, entry.path().string() +
                                 ": expected to remove what a killed process left, got: " +
                                 std::strerror(errno));
  }
}

}  // namespace hn
