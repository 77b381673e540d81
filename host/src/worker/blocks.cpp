#include "worker/blocks.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hn::worker {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;
// A few calls are open at once (forwards whose backward is still to come), the rest is given back.
constexpr std::size_t kMostFree = 8;
constexpr std::uint64_t kStep = 64 << 10;

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

[[noreturn]] void no_memory(std::uint64_t bytes) {
  throw Error(HN_OUT_OF_MEMORY, "[worker] shared memory of " + std::to_string(bytes) +
                                    " bytes: " + std::strerror(errno));
}

}  // namespace

Mapping::Mapping(int file, std::uint64_t bytes) : size_(bytes) {
  const std::size_t inner = (bytes + page() - 1) / page() * page();
  reserved_bytes_ = inner + 2 * page();
  reserved_ = ::mmap(nullptr, reserved_bytes_, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved_ == MAP_FAILED) {
    reserved_ = nullptr;
    no_memory(bytes);
  }
  void* at = static_cast<char*>(reserved_) + page();
  if (::mmap(at, inner, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) {
    const int error = errno;
    ::munmap(reserved_, reserved_bytes_);
    reserved_ = nullptr;
    errno = error;
    no_memory(bytes);
  }
  data_ = static_cast<std::byte*>(at);
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(reserved_, other.reserved_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (reserved_ != nullptr) ::munmap(reserved_, reserved_bytes_);
}

Block make_block(std::uint32_t id, std::uint64_t bytes) {
  Block block;
  block.id = id;
  block.file = Descriptor(::memfd_create("hn-tensors", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!block.file.valid() || ::ftruncate(block.file.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(block.file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0)
    no_memory(bytes);
  block.memory = Mapping(block.file.get(), bytes);
  return block;
}

Mapping map_block(const Descriptor& file, std::uint64_t bytes) {
  struct stat about {};
  const int seals = file.valid() ? ::fcntl(file.get(), F_GET_SEALS) : -1;
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(file.get(), &about) != 0 ||
      static_cast<std::uint64_t>(about.st_size) != bytes)
    throw Error(HN_DATA_LOSS, "[worker protocol] a block of " + std::to_string(bytes) +
                                  " bytes came without a sealed file of that size");
  return {file.get(), bytes};
}

BlockPool::Lease BlockPool::take(std::uint64_t bytes) {
  Lease lease;
  if (bytes == 0) return lease;
  lease.pool_ = shared_from_this();
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if ((*it)->memory.size() >= bytes &&
        (best == free_.end() || (*it)->memory.size() < (*best)->memory.size()))
      best = it;
  if (best != free_.end()) {
    lease.block_ = std::move(*best);
    free_.erase(best);
    return lease;
  }
  const std::uint64_t rounded = (bytes + kStep - 1) / kStep * kStep;
  auto block = std::make_unique<Block>(make_block(++made_, rounded));
  added_(*block);
  lease.block_ = std::move(block);
  return lease;
}

void BlockPool::give_back(std::unique_ptr<Block> block) {
  if (closed_) return;
  free_.push_back(std::move(block));
  if (free_.size() <= kMostFree) return;
  const auto smallest = std::min_element(
      free_.begin(), free_.end(),
      [](const auto& a, const auto& b) { return a->memory.size() < b->memory.size(); });
  const std::uint32_t id = (*smallest)->id;
  free_.erase(smallest);
  dropped_(id);
}

}  // namespace hn::worker
