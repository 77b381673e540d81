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
  // As Cond::last_use.
  virtual void last_use(hn_stream) noexcept {}
};

// One encoded prompt.
class Cond {
 public:
  virtual ~Cond() = default;
  virtual std::uint64_t size_bytes() const = 0;
  // It goes now; `stream` is where it was used last. For memory that is not freed in a stream's
  // order by its allocator.
  virtual void last_use(hn_stream) noexcept {}
};

// A prompt as it comes (hn_prompt): borrowed for the call. A field that is absent is empty.
class Prompt {
 public:
  explicit Prompt(const hn_prompt* raw) : raw_(known_part(raw)) {
    check_flags(raw_.flags, 0, "prompt");
  }
  explicit Prompt(std::string_view text) { raw_.text = str(text); }

  std::string_view text() const { return view(raw_.text); }
  std::string_view negative() const { return view(raw_.negative); }
  std::string_view json() const { return view(raw_.json); }
  std::span<const hn_named_tensor> tensors() const { return {raw_.tensors, raw_.n_tensors}; }
  // The tensor of that name, or NULL.
  const DLTensor* tensor(std::string_view name) const {
    for (const hn_named_tensor& t : tensors())
      if (view(t.name) == name) return t.tensor;
    return nullptr;
  }

 private:
  hn_prompt raw_{};
};

// A checked hn_call: shapes, strides, dtypes and prompt counts agree with the slots, flags and
// further arguments are known, absent trailing tensors read as NULL.
class Call {
 public:
  // outputs: empty where the call's outputs are not there yet (shapes).
  Call(const hn_call* raw, std::span<const SlotSpec> inputs, std::span<const SlotSpec> outputs,
       std::uint32_t fn_flags);

  std::int64_t batch() const { return batch_; }
  bool want_grad() const { return (raw_.flags & HN_CALL_WANT_GRAD) != 0; }
  bool deterministic() const { return (raw_.flags & HN_CALL_DETERMINISTIC) != 0; }
  bool capturing() const { return (raw_.flags & HN_CALL_CAPTURING) != 0; }
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

  // The shapes of all outputs for such a call, before they are allocated; needed where an output
  // has HN_DIM_ANY. The default knows those without.
  virtual std::vector<std::vector<std::int64_t>> shapes(const Call& call);
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

// Further arguments: whoever does not know one ignores it, unless it says that it matters.
inline void refuse_unknown(const hn_next* next, const char* what) {
  for (; next != nullptr; next = next->next)
    if ((next->flags & HN_FLAGS_CRITICAL) != 0)
      throw Error(HN_UNSUPPORTED, std::string("[") + what + "] the argument '" +
                                      std::string(view(next->id)) + "' is not known here");
}

// Addresses and strides as tensor.h promises them; the text of what is wrong, or nothing.
inline std::string layout_problem(const DLTensor& t) {
  if (t.ndim < 0 || t.ndim > HN_MAX_DIMS)
    return "a tensor of " + std::to_string(t.ndim) + " dimensions";
  if (t.ndim > 0 && t.shape == nullptr) return "a tensor without shape";
  if (t.ndim > 0 && t.strides == nullptr) return "a tensor without strides";
  for (std::int32_t d = 0; d < t.ndim; ++d)
    if (t.strides[d] < 0) return "a stride of " + std::to_string(t.strides[d]);
  const std::size_t size = static_cast<std::size_t>(t.dtype.bits) * t.dtype.lanes / 8;
  if (size > 0 && t.data != nullptr && reinterpret_cast<std::uintptr_t>(data_of<char>(t)) % size)
    return "an address that its elements of " + std::to_string(size) + " bytes do not divide";
  return {};
}

inline std::vector<std::vector<std::int64_t>> Function::shapes(const Call& call) {
  std::vector<std::vector<std::int64_t>> all;
  for (const SlotSpec& slot : outputs_) {
    all.push_back(slot.shape);
    for (std::int64_t& d : all.back()) {
      if (d == HN_DIM_BATCH) d = call.batch();
      if (d == HN_DIM_ANY)
        throw Error(HN_UNSUPPORTED, "[shapes] output " + slot.name + " " + shape_text(slot.shape) +
                                        ": the function does not say its size");
    }
  }
  return all;
}

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
    if (const std::string wrong = layout_problem(*t); !wrong.empty()) fail(slot, wrong);
    const auto describe = [&] { return dtype_name(t->dtype) + " " + shape_text(shape_of(*t)); };
    if (!same_dtype(t->dtype, slot.dtype) ||
        t->ndim != static_cast<std::int32_t>(slot.shape.size()))
      fail(slot, describe());
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
  if (!HN_HAS(raw, hn_call, next))
    throw Error(HN_INVALID_ARGUMENT,
                "[call] struct_size: expected the fields of version 1.0, got " +
                    std::to_string(raw->struct_size) + " bytes");
  check_flags(raw_.flags, HN_CALL_WANT_GRAD | HN_CALL_DETERMINISTIC | HN_CALL_CAPTURING, "call");
  refuse_unknown(raw_.next, "call");
  check_tensors(raw_.in, raw_.n_in, inputs, "input");
  if (!outputs.empty()) check_tensors(raw_.out, raw_.n_out, outputs, "output");
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
