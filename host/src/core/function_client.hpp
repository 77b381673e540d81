// One opened function of a plugin (hn.fn/1), with LibTorch tensors on the host's side.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/instance.hpp"

namespace hn::core {

struct Slot {
  std::string name, semantic;
  at::ScalarType dtype = at::kFloat, grad_dtype = at::kFloat;
  std::vector<std::int64_t> shape;  // sizes, HN_DIM_BATCH, HN_DIM_ANY
  std::uint32_t flags = 0;

  bool param() const { return (flags & HN_SLOT_PARAM) != 0; }
  bool diff() const { return (flags & HN_SLOT_DIFF) != 0; }
  bool optional() const { return (flags & HN_SLOT_OPTIONAL) != 0; }
};

class FunctionClient;

// DLPack views of a list of tensors, in memory that is used again.
struct TensorViews {
  std::vector<DLTensor> tensors;
  std::vector<const DLTensor*> pointers;
  void assign(std::span<const at::Tensor> from);
};

// The arrays of one forward call. A plugin may read them until saved_release, so they belong to its
// Saved.
struct CallMemory {
  TensorViews in, out;
};

// What one forward kept for its backward; released exactly once, when this goes away. Until then
// keep the function open, and the call's tensors, handles and need_grad alive and unchanged.
class Saved {
 public:
  Saved() = default;
  Saved(FunctionClient& fn, hn_saved* raw, std::unique_ptr<CallMemory> memory)
      : fn_(&fn), raw_(raw), memory_(std::move(memory)) {}
  Saved(Saved&& other) noexcept { swap(other); }
  Saved& operator=(Saved&& other) noexcept {
    Saved moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Saved();

  hn_saved* raw() const { return raw_; }

 private:
  void swap(Saved& other) noexcept {
    std::swap(fn_, other.fn_);
    std::swap(raw_, other.raw_);
    std::swap(memory_, other.memory_);
  }
  FunctionClient* fn_ = nullptr;
  hn_saved* raw_ = nullptr;
  std::unique_ptr<CallMemory> memory_;
};

class FunctionClient {
 public:
  // options: those of create plus the function's own. Errors: those of the plugin's open.
  FunctionClient(Instance& instance, const std::string& name, const Options& options);
  ~FunctionClient();
  FunctionClient(const FunctionClient&) = delete;
  FunctionClient& operator=(const FunctionClient&) = delete;

  Instance& instance() const { return instance_; }
  const std::string& name() const { return name_; }
  const std::vector<Slot>& inputs() const { return inputs_; }
  const std::vector<Slot>& outputs() const { return outputs_; }
  bool needs_cond() const { return (flags_ & HN_FN_NEEDS_COND) != 0; }
  bool mixes_samples() const { return (flags_ & HN_FN_MIXES_SAMPLES) != 0; }
  // The index of the slot of a semantic, or -1. Names are for messages; a semantic that two slots
  // have (lora_a, column) is not asked for here: HN_UNSUPPORTED names both.
  int find_input(std::string_view semantic) const { return find(inputs_, semantic, "inputs"); }
  int find_output(std::string_view semantic) const { return find(outputs_, semantic, "outputs"); }
  // As find_*; HN_UNSUPPORTED names the plugin, the function and the semantic. The slot must be
  // float32.
  std::size_t input(std::string_view semantic) const { return require(inputs_, semantic, "input"); }
  std::size_t output(std::string_view semantic) const {
    return require(outputs_, semantic, "output");
  }

  // HN_UNSUPPORTED names an input that must be given and is none of these semantics; adapters'
  // matrices come from the adapter.
  void require_only(std::initializer_list<std::string_view> semantics) const;

  struct Call {
    std::span<const at::Tensor> in;   // one a slot in order, undefined = absent
    std::span<const at::Tensor> out;  // allocated, undefined = not wanted
    std::span<const hn_cond* const> cond;
    std::span<const std::uint8_t> need_grad;  // one a slot; empty: nothing is kept
    std::uint64_t rng_seed = 0, rng_offset = 0;
    std::uint64_t saved_budget = 0;  // bytes kept between forward and backward; 0 = no limit
  };
  Saved forward(const Call& call);
  // The outputs' shapes for inputs of these shapes, before anything is allocated: what the plugin
  // answers where an output has HN_DIM_ANY, else the slots' own.
  std::vector<std::vector<std::int64_t>> shapes(std::span<const at::Tensor> in);
  // The plugin's estimate for such a call; nothing where it has none. Only shapes are read.
  std::optional<hn_plan> plan(const Call& call);
  // cotangent and grad: one a slot, undefined = zero or not wanted. accumulate: one an input slot,
  // empty = overwrite all. A failed call that accumulates may have added to some gradients, so
  // HN_OUT_OF_MEMORY is not tried again here: start from clean gradients.
  void backward(const Saved& saved, std::span<const at::Tensor> cotangent,
                std::span<const at::Tensor> grad, std::span<const std::uint8_t> accumulate);

 private:
  friend class Saved;
  std::unique_ptr<CallMemory> take_memory();
  // The call as the plugin sees it; its arrays are in `memory`.
  hn_call raw_call(const Call& call, CallMemory& memory) const;

  void release(hn_saved* saved);
  void close();
  // The first call of a kind is looked at in full.
  static Instance::Kind kind(std::uint64_t& calls) {
    return calls++ == 0 ? Instance::Kind::kFirst : Instance::Kind::kCompute;
  }

  // "clip: score: what", for messages.
  std::string where(const std::string& what) const {
    return instance_.name() + ": " + name_ + ": " + what;
  }
  std::vector<Slot> read_slots(std::int32_t direction, std::uint64_t count);
  int find(const std::vector<Slot>& slots, std::string_view semantic, const char* kinds) const;
  std::size_t require(const std::vector<Slot>& slots, std::string_view semantic,
                      const char* kind) const;

  Instance& instance_;
  std::string name_, backward_;  // what the two calls are named in messages
  hn_fn* fn_ = nullptr;
  std::uint64_t forwards_ = 0, backwards_ = 0;
  std::uint32_t flags_ = 0;
  Determinism deterministic_;  // kNo once the plugin refused what was only wished
  std::vector<Slot> inputs_, outputs_;
  std::vector<std::unique_ptr<CallMemory>> free_;  // of calls that are over
  TensorViews grad_, cotangent_;
};

}  // namespace hn::core
