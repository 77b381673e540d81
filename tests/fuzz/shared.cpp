#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <hn/formats/text.hpp>
#include <stdexcept>

#include "fuzz/fuzz.hpp"

namespace hn::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostMessage = std::size_t{64} << 10;
std::size_t taken_count = 0;

fs::path make_folder() {
  std::string pattern = (fs::temp_directory_path() / "hn_fuzz_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  return pattern;
}

// Goes away with the program, unless that ends by a finding.
struct Folder {
  fs::path path = make_folder();
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

bool read(const std::function<void()>& reader) {
  try {
    reader();
  } catch (const Error& error) {
    ErrorBuffer caller;  // as the error leaves the library
    write_error(caller.get(), error.code(), error.what());
    const std::string text = caller.text();
    require(!text.empty(), "an error without a text");
    require(error.code() != HN_INTERNAL, "HN_INTERNAL for an input: " + text);
    require(caller.get()->length <= kMostMessage,
            "an error of " + std::to_string(caller.get()->length) + " bytes: " + text);
    require(invalid_utf8(text) == std::string::npos, "an error that is no UTF-8: " + text);
    return false;
  }
  ++taken_count;
  return true;
}

std::size_t taken() { return taken_count; }

void require(bool condition, const std::string& what) {
  if (!condition) throw std::logic_error(what);
}

void touch(const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  const auto* at = static_cast<const volatile unsigned char*>(data);
  static volatile unsigned char sink;
  sink = at[0];
  sink = at[bytes - 1];
  static_cast<void>(sink);
}

std::map<std::string, std::string> parts_of(std::string_view input,
                                            std::initializer_list<const char*> names) {
  std::map<std::string, std::string> parts;
  std::string name = *names.begin();
  for (std::size_t at = 0; at <= input.size();) {
    const bool header = input.substr(at, 3) == "%% ";
    if (header) {
      const std::size_t end = std::min(input.find('\n', at), input.size());
      name = input.substr(at + 3, end - at - 3);
      at = std::min(end + 1, input.size());
    }
    // The next header may follow at once: its line break is then this header's own.
    const std::size_t next = input.find("\n%% ", header && at > 0 ? at - 1 : at);
    const std::string_view bytes = next < at ? std::string_view() : input.substr(at, next - at);
    const bool wanted =
        std::any_of(names.begin(), names.end(), [&](const char* known) { return name == known; });
    if (wanted && (header || !bytes.empty())) parts[name] = bytes;
    if (next == std::string_view::npos) break;
    at = next + 1;
  }
  return parts;
}

const fs::path& folder(bool clean) {
  static const Folder kept;
  if (clean)
    for (const auto& entry : fs::directory_iterator(kept.path)) fs::remove_all(entry.path());
  return kept.path;
}

fs::path write(const std::string& name, std::string_view bytes) {
  const fs::path path = folder(false) / name;
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
  return path;
}

const fs::path& write_parts(const std::map<std::string, std::string>& parts) {
  const fs::path& path = folder();
  for (const auto& [name, bytes] : parts) write(name, bytes);
  return path;
}

}  // namespace hn::fuzz
