#include "support/files.hpp"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <memory>
#include <vector>

namespace hn::host {

std::string read_file(const std::filesystem::path& file, std::uint64_t max_bytes) {
  return read_whole_file(file, max_bytes);
}

std::string sha256_of(InputFile& file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool good = state && EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> part(std::size_t{1} << 16);
  while (const std::size_t n = file.read(part.data(), part.size()))
    good = good && EVP_DigestUpdate(state.get(), part.data(), n) == 1;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  good = good && EVP_DigestFinal_ex(state.get(), digest.data(), &length) == 1;
  if (!good) throw Error(HN_INTERNAL, "[sha256] libcrypto refused to hash");
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), length));
}

std::string sha256_file(const std::filesystem::path& path) {
  InputFile file(path);
  return sha256_of(file);
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
