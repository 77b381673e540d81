#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/input_file.hpp>
#include <hn/formats/mapped_file.hpp>

namespace hn {

MappedFile::MappedFile(const std::filesystem::path& path, const std::string& label) {
  const std::string where = label + " " + path.string();
  const InputFile file(path, where);
  size_ = file.size();
  if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  const int error_number = errno;
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw Error(HN_OUT_OF_MEMORY, where + ": expected to map " + std::to_string(size_) +
                                      " bytes, got: " + std::strerror(error_number));
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void MappedFile::release(const std::byte* part, std::uint64_t size) const {
  // Whole pages inside the part only: its neighbours may be in use.
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<std::uint64_t>(part - data());
  const std::uint64_t begin = (offset + page - 1) / page * page,
                      end = (offset + size) / page * page;
  // Nothing is lost when the system refuses.
  if (begin < end)
    (void)::madvise(static_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace hn
