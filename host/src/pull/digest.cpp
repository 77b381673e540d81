#include "pull/digest.hpp"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <array>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <memory>
#include <vector>

#include "support/cat.hpp"

namespace hn::pull {
Sum sum_kind(const std::string& hex) {
  if (hex.find_first_not_of("0123456789abcdef") != std::string::npos) return Sum::kNone;
  return hex.size() == 64 ? Sum::kSha256 : hex.size() == 40 ? Sum::kGit : Sum::kNone;
}

const char* sum_name(Sum kind) {
  return kind == Sum::kSha256 ? "sha256" : kind == Sum::kGit ? "git-sha1" : "size";
}

std::string file_sum(const std::filesystem::path& file, Sum kind,
                     const std::function<void(std::uint64_t)>& advance) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool good = state && EVP_DigestInit_ex(state.get(), kind == Sum::kGit ? EVP_sha1() : EVP_sha256(),
                                         nullptr) == 1;
  InputFile in(file);
  if (kind == Sum::kGit) {
    std::string header = host::cat("blob ", in.size());
    header.push_back('\0');
    good = good && EVP_DigestUpdate(state.get(), header.data(), header.size()) == 1;
  }
  std::vector<char> part(1 << 20);
  while (const std::size_t n = in.read(part.data(), part.size())) {
    good = good && EVP_DigestUpdate(state.get(), part.data(), n) == 1;
    if (advance) advance(n);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  good = good && EVP_DigestFinal_ex(state.get(), digest.data(), &length) == 1;
  if (!good) throw Error(HN_INTERNAL, "[pull] libcrypto refused to hash");
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), length));
}

}  // namespace hn::pull
