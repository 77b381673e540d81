// Shared memory for the tensors of calls: a block is one memfd whose size is sealed, mapped by host
// and worker, and used again for later calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "worker/channel.hpp"

namespace hn::worker {

// A mapping with a page in front and one behind that nobody may touch.
class Mapping {
 public:
  Mapping() = default;
  // HN_OUT_OF_MEMORY.
  Mapping(int file, std::uint64_t bytes);
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }

 private:
  void* reserved_ = nullptr;
  std::size_t reserved_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

struct Block {
  std::uint32_t id = 0;
  Descriptor file;
  Mapping memory;
};

// HN_OUT_OF_MEMORY where the kernel has none.
Block make_block(std::uint32_t id, std::uint64_t bytes);
// A block that came from the other side. HN_DATA_LOSS where its size is another, or is not sealed:
// whoever can shrink it could crash whoever reads.
Mapping map_block(const Descriptor& file, std::uint64_t bytes);

// The host's blocks for one worker process. Used by one thread at a time; a lease may outlive it.
class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  // added: a block that the worker has to hear of before it is used; dropped: one that goes.
  BlockPool(std::function<void(const Block&)> added, std::function<void(std::uint32_t)> dropped)
      : added_(std::move(added)), dropped_(std::move(dropped)) {}

  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(block_, other.block_);
      return *this;
    }
    ~Lease() {
      if (block_) pool_->give_back(std::move(block_));
    }
    // 0, which no block has, where there is none.
    std::uint32_t id() const { return block_ ? block_->id : 0; }
    std::byte* data() const { return block_->memory.data(); }

   private:
    friend class BlockPool;
    std::shared_ptr<BlockPool> pool_;
    std::unique_ptr<Block> block_;
  };
  // At least so many bytes; an empty lease for 0.
  Lease take(std::uint64_t bytes);
  // Its process is gone: blocks that come back are freed.
  void close() {
    closed_ = true;
    free_.clear();
  }
  std::uint64_t made() const { return made_; }

 private:
  void give_back(std::unique_ptr<Block> block);

  std::function<void(const Block&)> added_;
  std::function<void(std::uint32_t)> dropped_;
  std::vector<std::unique_ptr<Block>> free_;
  std::uint32_t made_ = 0;
  bool closed_ = false;
};

}  // namespace hn::worker
