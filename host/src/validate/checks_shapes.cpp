// Sizes: those that a semantic fixes, those that slots leave open, and what `shapes` tells of them.
#include <cstring>
#include <hn/cpp/tensor.hpp>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

constexpr std::int64_t kFree = 0;  // a size of the plugin's own, or HN_DIM_ANY

struct Meaning {
  const char* semantic;
  std::vector<std::int64_t> shape;
  const char* shown;
};
// docs/abi.md, Semantics. The adapter's matrices are in adapter.slots.
const std::vector<Meaning>& meanings() {
  constexpr std::int64_t kB = HN_DIM_BATCH;
  static const std::vector<Meaning> all = {
      {"noise", {kB, kFree, kFree, kFree}, "[B,C,h,w]"},
      {"step_noise", {kFree, kB, kFree, kFree, kFree}, "[n-1,B,C,h,w]"},
      {"image_rgb01", {kB, 3, kFree, kFree}, "[B,3,H,W]"},
      {"latents", {kB, kFree, kFree, kFree}, "[B,C,h,w]"},
      {"offset", {kB, kFree, kFree, kFree}, "[B,C,h,w]"},
      {"score", {kB}, "[B]"},
      {"column", {kB}, "[B]"}};
  return all;
}

void check_meaning(const Slot& slot, const std::string& side) {
  for (const Meaning& meaning : meanings()) {
    if (slot.semantic != meaning.semantic) continue;
    const std::string what = side + slot.name + ": " + slot.semantic + " is float32 " +
                             meaning.shown + ", got " + dtype_name(slot.dtype) + " " +
                             shape_text(slot.shape);
    expect(same_dtype(slot.dtype, kFloat32) && slot.shape.size() == meaning.shape.size(), what);
    for (std::size_t d = 0; d < meaning.shape.size(); ++d)
      expect(meaning.shape[d] == kFree ? slot.shape[d] != HN_DIM_BATCH
                                       : slot.shape[d] == meaning.shape[d],
             what);
  }
  const bool matrix = slot.semantic == "lora_a" || slot.semantic == "lora_b";
  expect(!matrix || slot.is(HN_SLOT_PARAM),
         side + slot.name + ": " + slot.semantic + " is a parameter, its flags say otherwise");
}

void meaning(Context& c) {
  for (const Slot& slot : c.fn().inputs()) check_meaning(slot, "input ");
  for (const Slot& slot : c.fn().outputs()) check_meaning(slot, "output ");
}

// What a slot points to stays in place until close: asked for all of them, then read.
void kept(Context& c) {
  Fn& fn = c.fn();
  const auto ask = [&](std::int32_t direction, std::size_t count) {
    std::vector<hn_slot> slots(count);
    for (std::size_t i = 0; i < count; ++i) {
      slots[i].struct_size = sizeof(hn_slot);
      ErrorBuffer error;
      expect_ok(fn.table().slot(fn.get(), direction, i, &slots[i], error.get()), error, "slot");
    }
    return slots;
  };
  const auto inputs = ask(HN_SLOT_INPUT, fn.inputs().size()),
             outputs = ask(HN_SLOT_OUTPUT, fn.outputs().size());
  Case(fn, {}).forward(false);
  const auto compare = [](const std::vector<hn_slot>& raw, const std::vector<Slot>& slots) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const bool same = view(raw[i].name) == slots[i].name &&
                        view(raw[i].semantic) == slots[i].semantic &&
                        std::equal(slots[i].shape.begin(), slots[i].shape.end(), raw[i].shape);
      expect(same, "slot " + slots[i].name +
                       ": its texts and shape live until close, and were others after a forward");
    }
  };
  compare(inputs, fn.inputs());
  compare(outputs, fn.outputs());
}

// A call of which the plugin may read the inputs' shapes and nothing else: no data, and outputs
// that are none.
class ShapesAlone {
 public:
  explicit ShapesAlone(Case& one) : call_(one.call(false)), nothing_(call_.n_out) {
    for (std::size_t i = 0; i < call_.n_in; ++i) {
      inputs_.push_back(call_.in[i] == nullptr ? DLTensor{} : *call_.in[i]);
      inputs_.back().data = nullptr;
    }
    for (std::size_t i = 0; i < call_.n_in; ++i)
      in_.push_back(call_.in[i] == nullptr ? nullptr : &inputs_[i]);
    for (const DLTensor& none : nothing_) out_.push_back(&none);
    call_.in = in_.data();
    call_.out = out_.data();
  }
  ShapesAlone(const ShapesAlone&) = delete;
  ShapesAlone& operator=(const ShapesAlone&) = delete;
  const hn_call* get() const { return &call_; }

 private:
  hn_call call_;
  std::vector<DLTensor> nothing_, inputs_;
  Views in_, out_;
};

void check_told(Fn& fn, const CaseOptions& options) {
  Case one(fn, options);
  const ShapesAlone call(one);
  const std::size_t n = fn.outputs().size();
  const auto ask = [&](std::size_t room, ErrorBuffer& error) {
    hn_shape mark{};
    mark.ndim = -7;
    std::vector<hn_shape> told(n + 2, mark);
    const hn_status status =
        fn.table().shapes(fn.get(), call.get(), told.data(), room, error.get());
    for (std::size_t k = std::min(room, n); k < told.size(); ++k)
      expect(told[k].ndim == -7,
             "shapes wrote more than the " + std::to_string(room) + " entries that n_out says");
    return std::pair(status, told);
  };
  const std::string batch = " at batch " + std::to_string(options.batch);
  ErrorBuffer error;
  const auto [status, told] = ask(n, error);
  expect_ok(status, error, "shapes" + batch + ", of a call with the inputs' shapes alone");
  for (std::size_t k = 0; k < n; ++k) {
    const Slot& slot = fn.outputs()[k];
    const hn_shape& shape = told[k];
    const std::string what = "shapes: output " + slot.name + batch;
    expect(shape.reserved == 0, what + ": reserved must stay zero");
    expect(shape.ndim == static_cast<std::int32_t>(slot.shape.size()),
           what + ": expected " + std::to_string(slot.shape.size()) + " dimensions, got " +
               std::to_string(shape.ndim));
    for (std::size_t d = 0; d < slot.shape.size(); ++d) {
      const std::int64_t size = slot.shape[d];
      const bool fits = size == HN_DIM_ANY     ? shape.dim[d] > 0
                        : size == HN_DIM_BATCH ? shape.dim[d] == options.batch
                                               : shape.dim[d] == size;
      expect(fits, what + ": the slot says " + shape_text(slot.shape) + ", dimension " +
                       std::to_string(d) + " is " + std::to_string(shape.dim[d]));
    }
  }
  for (const std::size_t room : {n - 1, n + 1}) {
    ErrorBuffer refused;
    const auto [code, ignored] = ask(room, refused);
    expect_refused(code, refused,
                   "shapes with n_out = " + std::to_string(room) + " of " + std::to_string(n));
  }
  // What was told is what forward takes, and nothing else.
  one.forward(false);
  for (std::size_t k = 0; k < n; ++k)
    expect_finite(one.outputs()[k], "output " + fn.outputs()[k].name + " of the shape told");
  if (options.batch == 0) return;
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t d = 0; d < fn.outputs()[k].shape.size(); ++d) {
      if (fn.outputs()[k].shape[d] != HN_DIM_ANY || one.out(k).shape()[d] < 2) continue;
      one.out(k).edit().shape[d] -= 1;
      ErrorBuffer refused;
      expect_refused(one.try_forward(one.call(false), refused), refused,
                     "output " + fn.outputs()[k].name + " smaller than shapes told, in dimension " +
                         std::to_string(d));
      one.out(k).edit().shape[d] += 1;
    }
}

constexpr OpenSizes kLarger = {2, 3, 32, 40, 5, 6}, kOdd = {2, 3, 17, 23, 5, 6};

void told(Context& c) {
  Fn& fn = c.fn();
  bool open = false;
  for (const Slot& slot : fn.outputs()) open = open || slot.has_open_size();
  if (fn.table().shapes == nullptr) {
    expect(!open, "an output leaves a size open (HN_DIM_ANY), and shapes is NULL");
    throw Skip("every output's size is told by its slot");
  }
  check_told(fn, {});
  check_told(fn, {.batch = 0});
  if (open) check_told(fn, {.batch = 3, .open_sizes = kLarger});
}

void any_size(Context& c) {
  Fn& fn = c.fn();
  bool open_input = false, open_output = false;
  for (const Slot& slot : fn.inputs()) open_input = open_input || slot.has_open_size();
  for (const Slot& slot : fn.outputs()) open_output = open_output || slot.has_open_size();
  if (!open_input) throw Skip("every size is fixed");
  Case first(fn, {});
  first.forward(false);
  const auto before = first.outputs();
  Case larger(fn, {.open_sizes = kLarger});
  larger.forward(fn.differentiable());
  for (std::size_t k = 0; k < fn.outputs().size(); ++k)
    expect_finite(larger.outputs()[k], "output " + fn.outputs()[k].name + " of a larger size");
  if (fn.differentiable()) larger.backward(larger.cotangents(1));
  if (!open_output) {  // a size that no stride divides: taken, or refused
    Case odd(fn, {.open_sizes = kOdd});
    ErrorBuffer error;
    const hn_status status = odd.try_forward(odd.call(false), error);
    if (status == HN_OK)
      for (std::size_t k = 0; k < fn.outputs().size(); ++k)
        expect_finite(odd.outputs()[k], "output " + fn.outputs()[k].name + " of odd sizes");
    else
      expect_refused(status, error, "sizes of 17 and 23", {HN_INVALID_ARGUMENT, HN_UNSUPPORTED});
  }
  first.forward(false);
  for (std::size_t k = 0; k < before.size(); ++k)
    expect_close(first.outputs()[k], before[k], 0,
                 "output " + fn.outputs()[k].name + ", after other sizes");
}

constexpr Check kChecks[] = {
    {"slots.meaning", "A slot has the dtype and the dimensions of its semantic.", Scope::kFunction,
     nullptr, &meaning, "open.works"},
    {"slots.kept", "What a slot points to stays as it is until close.", Scope::kFunction, nullptr,
     &kept, "forward.works"},
    {"shapes.told",
     "shapes reads the inputs' shapes alone, agrees with the slots, and forward takes what it "
     "told.",
     Scope::kFunction, nullptr, &told, "forward.works"},
    {"forward.sizes", "One opened function takes every size that its slots leave open.",
     Scope::kFunction, nullptr, &any_size, "forward.works"},
};

}  // namespace

std::span<const Check> shape_checks() { return kChecks; }

}  // namespace hn::validate
