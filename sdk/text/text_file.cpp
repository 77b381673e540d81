#include "text/text_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <memory>

namespace hn {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;

}  // namespace

// zlib reads plain files through the same calls.
std::string read_text_file(const std::filesystem::path& path, const std::string& where) {
  const InputFile plain(path, where);
  // zlib closes what it is given.
  const int descriptor = ::fcntl(plain.descriptor(), F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(
      descriptor < 0 ? nullptr : gzdopen(descriptor, "rb"), gzclose);
  if (!file) {
    const int error_number = errno;
    if (descriptor >= 0) ::close(descriptor);
    throw Error(HN_INTERNAL, where + ": cannot be read: " + std::strerror(error_number));
  }
  std::string text;
  std::array<char, 1 << 16> chunk{};
  int n = 0;
  while ((n = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()))) > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(n));
    if (text.size() > kMaxTextBytes) {
      throw Error(HN_DATA_LOSS, where + ": expected at most " + std::to_string(kMaxTextBytes) +
                                    " bytes of text, got more");
    }
  }
  // A file cut short ends like a whole one; only the error code tells.
  int code = Z_OK;
  const char* reason = gzerror(file.get(), &code);
  if (n < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw Error(HN_DATA_LOSS, where + ": expected a whole gzip file or plain text, got: " +
                                  (reason == nullptr ? "an error" : reason));
  }
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace hn
