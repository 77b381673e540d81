#include "core/sealed_file.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/mapped_file.hpp>
#include <memory>
#include <optional>

namespace hn::core {
namespace {

using Sum = std::array<unsigned char, 32>;

class Sha256 {
 public:
  Sha256() : state_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    good_ = state_ && EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) == 1;
  }
  void add(const void* data, std::size_t size) {
    good_ = good_ && EVP_DigestUpdate(state_.get(), data, size) == 1;
  }
  Sum finish() {
    Sum sum{};
    unsigned length = 0;
    good_ = good_ && EVP_DigestFinal_ex(state_.get(), sum.data(), &length) == 1;
    if (!good_ || length != sum.size())
      throw Error(HN_INTERNAL, "[sha256] libcrypto refused to hash");
    return sum;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state_;
  bool good_ = false;
};

}  // namespace

void write_sealed(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                  const std::map<std::string, std::string>& metadata) {
  Sum seal{};
  tensors.push_back({kSealName,
                     TensorDtype::kU8,
                     {static_cast<std::int64_t>(seal.size())},
                     seal.data(),
                     seal.size()});
  Sha256 sum;
  std::optional<AtomicFile> file;
  write_safetensors_parts(path, tensors, metadata, [&](const void* data, std::size_t size) {
    if (!file) file.emplace(path);
    // The last part: everything before it has been summed up.
    if (data == seal.data())
      seal = sum.finish();
    else
      sum.add(data, size);
    file->write(data, size);
  });
  file->commit();
}

void check_seal(const SafetensorsFile& file, const std::string& part) {
  const TensorView* seal = file.find(kSealName);
  const MappedFile bytes(file.path(), part);
  constexpr std::size_t kSize = std::tuple_size_v<Sum>;
  if (seal == nullptr || seal->nbytes != kSize || bytes.size() < kSize)
    throw Error(HN_DATA_LOSS, part + " " + file.path().string() +
                                  ": expected its own SHA-256 at its end, got none");
  Sha256 sum;
  sum.add(bytes.data(), bytes.size() - kSize);
  if (std::memcmp(sum.finish().data(), bytes.data() + bytes.size() - kSize, kSize) != 0)
    throw Error(HN_DATA_LOSS, part + " " + file.path().string() +
                                  " is damaged: its bytes have another SHA-256 than the one that "
                                  "was written with them");
}

}  // namespace hn::core
