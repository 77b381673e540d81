// Activation checkpointing: a network's blocks keep what their backward needs, or keep their inputs
// alone and are computed again in the backward, as many as a byte budget asks for.
//
// A model hands one BlockRunner down per call and runs each of its blocks by it:
//
//   for (const Block& block : blocks_)
//     x = run([&block, &lora](const Tensors& in) { return block(in[0], in[1], lora); },
//             {x, caption.states}, lora.matrices(block.first, block.last));
//
// A block must be a pure function of its inputs and of what it captures: computing it again gives
// the same bits, so on the CPU all results and gradients are those of the run that keeps
// everything, bit for bit. It runs on whatever thread the backward runs on, with gradients on.
//
// Source of the idea: Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174;
// torch.utils.checkpoint with use_reentrant=True.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace hn {

using Tensors = std::vector<at::Tensor>;
// Inputs in the order that they were given to run; undefined ones stay undefined. Whatever else it
// captures must stay alive and unchanged until the graph is gone, so capture by value what a call
// makes (tensors, sizes), and by reference only what outlives it (weights, adapters of the call).
using BlockFunction = std::function<at::Tensor(const Tensors&)>;

// What one opened function has learned about the blocks of its passes, so that a budget can be
// spent exactly. Belongs to the function; outlives its graphs.
class BlockCosts {
 public:
  // The numbers that a pass's memory grows with (samples, pixels, tokens of the prompt), and bytes.
  struct Record {
    std::vector<std::int64_t> sizes;
    std::uint64_t least = 0;           // kept by a pass that computes every block again
    std::vector<std::uint64_t> extra;  // for each block in order: what keeping it adds; 0 = unknown
  };
  const Record& record() const { return record_; }
  // What is known holds for a pass of these sizes, since none is larger.
  bool cover(const std::vector<std::int64_t>& sizes) const;

 private:
  friend class BlockRunner;
  Record record_;
};

class BlockRunner {
 public:
  // Keeps everything. For calls without gradients and without a budget.
  BlockRunner() = default;
  // budget: of bytes kept between forward and backward; 0 keeps everything. The first pass of a
  // size computes every block again and measures it; later ones keep as many blocks as fit, first
  // ones first. What a block or the pass around it needs for a moment does not count.
  BlockRunner(std::uint64_t budget, std::shared_ptr<BlockCosts> costs,
              std::vector<std::int64_t> sizes);

  // One block, which must not ask this runner itself, since that is gone by the time of the
  // backward: inside, take a BlockRunner of its own.
  //
  // inputs: what gradients flow through; may hold undefined tensors. captured: further
  // tensors with gradients that the block reads by itself (adapter matrices). Without gradients to
  // keep, the block simply runs.
  at::Tensor operator()(BlockFunction block, const Tensors& inputs, const Tensors& captured = {});
  // The same, but computed again whatever the budget: a tile of a picture.
  at::Tensor always(BlockFunction block, const Tensors& inputs, const Tensors& captured = {});

  // After a pass: `kept` bytes are held. Learns from them; HN_INVALID_ARGUMENT names the least
  // possible where they exceed the budget. `where` begins the message.
  void finish(std::uint64_t kept, const char* where);

  std::size_t blocks() const { return next_; }
  std::size_t recomputed() const { return recomputed_; }

 private:
  std::uint64_t budget_ = 0;
  std::shared_ptr<BlockCosts> costs_;
  std::vector<std::int64_t> sizes_;
  std::vector<bool> keep_;  // by order; empty: none
  std::size_t next_ = 0, recomputed_ = 0;
};

}  // namespace hn
