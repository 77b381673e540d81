// hn.fn/1 as C++ classes: derive from Function, throw hn::Error, and the table in plugin.hpp does
// the rest.
#pragma once

#include <hn/fn.h>

#include <cstdint>
#include <hn/cpp/error.hpp>
#include <hn/cpp/tensor.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hn {

// One input or output, see hn_slot. shape holds sizes, HN_DIM_BATCH or HN_DIM_ANY.
struct SlotSpec {
  std::string name;
  std::string semantic;
  std::vector<std::int64_t> shape;
  std::uint32_t flags = 0;
  DLDataType dtype = kFloat32;
  DLDataType grad_dtype = kFloat32;
};

// What one forward keeps for its backward.
class Saved {
 public:
  virtual ~Saved() = default;
};

// One encoded prompt.
class Cond {
 public:
  virtual ~Cond() = default;
  virtual std::uint64_t size_bytes() const = 0;
};

// A checked hn_call: shapes, dtypes and prompt counts agree with the slots, absent trailing inputs
// read as NULL.
class Call {
 public:
  Call(const hn_call* raw, std::span<const SlotSpec> inputs, std::span<const SlotSpec> outputs,
       std::uint32_t fn_flags);

  std::int64_t batch() const { return batch_; }
  bool want_grad() const { return (raw_.flags & HN_CALL_WANT_GRAD) != 0; }
  bool deterministic() const { return (raw_.flags & HN_CALL_DETERMINISTIC) != 0; }
  const DLTensor* in(std::size_t i) const { return i < raw_.n_in ? raw_.in[i] : nullptr; }
  const DLTensor* out(std::size_t i) const { return i < raw_.n_out ? raw_.out[i] : nullptr; }
  bool need_grad(std::size_t i) const {
    return want_grad() && raw_.need_grad != nullptr && i < raw_.n_in && raw_.in[i] != nullptr &&
           raw_.need_grad[i] != 0;
  }
  // The prompt of sample b; the caller knows its own Cond type.
  template <class T>
  const T& cond(std::int64_t b) const {
    return static_cast<const T&>(
        *reinterpret_cast<const Cond*>(raw_.cond[raw_.n_cond == 1 ? 0 : b]));
  }
  bool has_cond() const { return raw_.n_cond > 0; }
  bool shared_cond() const { return raw_.n_cond == 1; }
  const hn_call& raw() const { return raw_; }
  // forward reads and writes; plan gets by with shapes alone.
  void require_data() const;

 private:
  void check_tensors(const DLTensor* const* tensors, std::uint64_t n,
                     std::span<const SlotSpec> slots, const char* what);

  hn_call raw_;
  std::int64_t batch_ = -1;
};

// One opened function. Inputs and outputs are fixed after construction.
class Function {
 public:
  virtual ~Function() = default;

  const std::vector<SlotSpec>& inputs() const { return inputs_; }
  const std::vector<SlotSpec>& outputs() const { return outputs_; }
  std::uint32_t flags() const { return flags_; }

  // Bytes; the default says that there is no estimate.
  virtual hn_plan plan(const Call&) {
    throw Error(HN_UNSUPPORTED, "[plan] this function gives no estimate");
  }
  // Writes every wanted output. Returns what backward needs, or nothing without want_grad.
  virtual std::unique_ptr<Saved> forward(const Call& call) = 0;
  // Writes (or adds to) every wanted gradient; linear in the cotangents, callable any number of
  // times.
  virtual void backward(Saved& saved, const hn_vjp& vjp) = 0;

 protected:
  std::vector<SlotSpec> inputs_, outputs_;
  std::uint32_t flags_ = 0;
};

inline void Call::check_tensors(const DLTensor* const* tensors, std::uint64_t n,
                                std::span<const SlotSpec> slots, const char* what) {
  const auto fail = [&](const SlotSpec& slot, const std::string& got) {
    throw Error(HN_INVALID_ARGUMENT, std::string("[") + what + " " + slot.name + "] expected " +
                                         dtype_name(slot.dtype) + " " + shape_text(slot.shape) +
                                         ", got " + got);
  };
  if (n > slots.size())
    throw Error(HN_INVALID_ARGUMENT, std::string("[call] expected at most ") +
                                         std::to_string(slots.size()) + " " + what +
                                         " tensors, got " + std::to_string(n));
  if (n > 0 && tensors == nullptr)
    throw Error(HN_INVALID_ARGUMENT, std::string("[call] the list of ") + std::to_string(n) + " " +
                                         what + " tensors is NULL");
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const SlotSpec& slot = slots[i];
    const DLTensor* t = i < n ? tensors[i] : nullptr;
    if (t == nullptr) {
      if ((slot.flags & HN_SLOT_OPTIONAL) == 0) fail(slot, "nothing");
      continue;
    }
    if (t->ndim < 0 || (t->ndim > 0 && t->shape == nullptr)) fail(slot, "a tensor without shape");
    const auto describe = [&] { return dtype_name(t->dtype) + " " + shape_text(shape_of(*t)); };
    if (!same_dtype(t->dtype, slot.dtype) ||
        t->ndim != static_cast<std::int32_t>(slot.shape.size()))
      fail(slot, describe());
    if (t->ndim > 0 && t->strides == nullptr) fail(slot, "a tensor without strides");
    for (std::size_t d = 0; d < slot.shape.size(); ++d) {
      if (slot.shape[d] == HN_DIM_ANY && t->shape[d] >= 0) continue;
      if (slot.shape[d] == HN_DIM_BATCH) {
        if (batch_ < 0 && t->shape[d] >= 0) batch_ = t->shape[d];
        if (t->shape[d] != batch_)
          fail(slot, describe() + " where the batch is " + std::to_string(batch_));
        continue;
      }
      if (t->shape[d] != slot.shape[d]) fail(slot, describe());
    }
  }
}

inline void Call::require_data() const {
  const auto check = [](const DLTensor* const* tensors, std::uint64_t n, const char* what) {
    for (std::uint64_t i = 0; i < n; ++i)
      if (tensors[i] != nullptr && tensors[i]->data == nullptr && element_count(*tensors[i]) > 0)
        throw Error(HN_INVALID_ARGUMENT,
                    std::string("[call] ") + what + " " + std::to_string(i) + " has no data");
  };
  check(raw_.in, raw_.n_in, "input");
  check(raw_.out, raw_.n_out, "output");
}

inline Call::Call(const hn_call* raw, std::span<const SlotSpec> inputs,
                  std::span<const SlotSpec> outputs, std::uint32_t fn_flags)
    : raw_(known_part(raw)) {
  constexpr std::uint32_t known_flags = HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC;
  if ((raw_.flags & ~known_flags) != 0)
    throw Error(HN_UNSUPPORTED,
                "[call] unknown flags " + std::to_string(raw_.flags & ~known_flags));
  check_tensors(raw_.in, raw_.n_in, inputs, "input");
  check_tensors(raw_.out, raw_.n_out, outputs, "output");
  if (batch_ < 0) batch_ = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (need_grad(i) && (inputs[i].flags & HN_SLOT_DIFF) == 0)
      throw Error(HN_UNSUPPORTED, "[need_grad] input " + inputs[i].name + " is not differentiable");
  const std::uint64_t n = raw_.n_cond;
  if ((fn_flags & HN_FN_NEEDS_COND) != 0 && n != 1 && n != static_cast<std::uint64_t>(batch_))
    throw Error(HN_INVALID_ARGUMENT, "[call] expected 1 prompt or one a sample (" +
                                         std::to_string(batch_) + "), got " + std::to_string(n));
  if (n > 0 && raw_.cond == nullptr)
    throw Error(HN_INVALID_ARGUMENT, "[call] the list of prompts is NULL");
  for (std::uint64_t i = 0; i < n; ++i)
    if (raw_.cond[i] == nullptr)
      throw Error(HN_INVALID_ARGUMENT, "[call] prompt handle " + std::to_string(i) + " is NULL");
}

}  // namespace hn
