#include "support/files.hpp"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <memory>
#include <string_view>

#include "support/cat.hpp"

namespace hn::host {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

[[noreturn]] void cannot_read(const std::filesystem::path& file, const char* why) {
  throw Error(HN_NOT_FOUND, cat(file.string(), ": cannot be read: ", why));
}

File open(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) cannot_read(file, "it is a folder");
  File in(std::fopen(file.c_str(), "rb"));
  if (!in) cannot_read(file, std::strerror(errno));
  return in;
}

// Calls take(part) for each part of the file.
template <class Take>
void read_parts(const std::filesystem::path& file, const Take& take) {
  const File in = open(file);
  std::array<char, 1 << 16> part;
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), in.get()))
    take(std::string_view(part.data(), n));
  if (std::ferror(in.get())) cannot_read(file, std::strerror(errno));
}

}  // namespace

std::string read_file(const std::filesystem::path& file, std::uint64_t max_bytes) {
  std::string text;
  read_parts(file, [&](std::string_view part) {
    if (text.size() + part.size() > max_bytes)
      throw Error(HN_INVALID_ARGUMENT,
                  cat(file.string(), ": expected at most ", max_bytes, " bytes"));
    text.append(part);
  });
  return text;
}

std::string sha256_file(const std::filesystem::path& file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool good = state && EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr) == 1;
  read_parts(file, [&](std::string_view part) {
    good = good && EVP_DigestUpdate(state.get(), part.data(), part.size()) == 1;
  });
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  good = good && EVP_DigestFinal_ex(state.get(), digest.data(), &length) == 1;
  if (!good) throw Error(HN_INTERNAL, "[sha256] libcrypto refused to hash");
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), length));
}

std::filesystem::path tidy(const std::filesystem::path& path) {
  const std::filesystem::path normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path home_folder() { return environment("HOME"); }

}  // namespace hn::host
