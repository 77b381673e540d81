#include "core/function_client.hpp"

#include <algorithm>
#include <hn/torch/tensor.hpp>

namespace hn::core {

Saved::~Saved() {
  if (raw_ == nullptr) return;
  Instance& instance = fn_->instance_;
  if (instance.alive()) fn_->release(raw_);
  fn_->free_.push_back(std::move(memory_));
}

FunctionClient::FunctionClient(Instance& instance, const std::string& name, const Options& options)
    : instance_(instance),
      name_(name),
      backward_(name + " backward"),
      deterministic_(instance.runtime().determinism) {
  const std::string opening = "open " + name;
  instance.call(Instance::Kind::kMake, opening.c_str(), [&](hn_error* error) {
    return instance.fn().open(instance.raw(), str(name), as_config(options), &fn_, error);
  });
  try {
    hn_fn_info info{};
    info.struct_size = sizeof(info);
    instance.call(Instance::Kind::kAsk, "info",
                  [&](hn_error* error) { return instance.fn().info(fn_, &info, error); });
    check_flags(info.flags, HN_FN_NEEDS_COND | HN_FN_RANDOM | HN_FN_MIXES_SAMPLES, where("info"));
    flags_ = info.flags;
    inputs_ = read_slots(HN_SLOT_INPUT, info.n_in);
    outputs_ = read_slots(HN_SLOT_OUTPUT, info.n_out);
    if (needs_cond() && instance.cond() == nullptr)
      throw Error(HN_UNSUPPORTED, instance.name() + ": " + name +
                                      " wants prompts, but the plugin has no " HN_COND_V1);
  } catch (...) {
    close();
    throw;
  }
}

FunctionClient::~FunctionClient() { close(); }

void FunctionClient::close() {
  if (instance_.alive()) instance_.call_quietly("close", [&] { instance_.fn().close(fn_); });
}

void FunctionClient::release(hn_saved* saved) {
  instance_.call_quietly("saved_release", [&] {
    instance_.fn().saved_release(fn_, saved, instance_.runtime().stream);
  });
}

std::vector<Slot> FunctionClient::read_slots(std::int32_t direction, std::uint64_t count) {
  std::vector<Slot> slots(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    hn_slot raw{};
    raw.struct_size = sizeof(raw);
    instance_.call(Instance::Kind::kAsk, "slot", [&](hn_error* error) {
      return instance_.fn().slot(fn_, direction, i, &raw, error);
    });
    const std::string name(view(raw.name));
    check_flags(raw.flags, HN_SLOT_PARAM | HN_SLOT_DIFF | HN_SLOT_OPTIONAL, where("slot " + name));
    if (raw.ndim < 0 || raw.ndim > HN_MAX_DIMS || (raw.ndim > 0 && raw.shape == nullptr))
      throw Error(HN_UNSUPPORTED, where("slot " + name) + ": expected a shape of at most " +
                                      std::to_string(HN_MAX_DIMS) + " dimensions, got " +
                                      std::to_string(raw.ndim));
    const bool diff = (raw.flags & HN_SLOT_DIFF) != 0;  // grad_dtype means nothing without it
    slots[i] = {name,
                std::string(view(raw.semantic)),
                scalar_type_of(raw.dtype),
                diff ? scalar_type_of(raw.grad_dtype) : at::kFloat,
                {raw.shape, raw.shape + raw.ndim},
                raw.flags};
  }
  return slots;
}

int FunctionClient::find(const std::vector<Slot>& slots, std::string_view semantic,
                         const char* kinds) const {
  int found = -1;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].semantic != semantic) continue;
    if (found >= 0)
      throw Error(HN_UNSUPPORTED, instance_.name() + ": " + name_ + " has two " + kinds +
                                      " of semantic '" + std::string(semantic) + "': '" +
                                      slots[static_cast<std::size_t>(found)].name + "' and '" +
                                      slots[i].name + "'");
    found = static_cast<int>(i);
  }
  return found;
}

std::size_t FunctionClient::require(const std::vector<Slot>& slots, std::string_view semantic,
                                    const char* kind) const {
  const int i = find(slots, semantic, (std::string(kind) + "s").c_str());
  if (i < 0) {
    std::string names;
    for (const Slot& slot : slots)
      if (slot.name == semantic)
        names = "; the one of that name has the semantic '" + slot.semantic + "'";
    throw Error(HN_UNSUPPORTED, instance_.name() + ": " + name_ + " has no " + kind +
                                    " of semantic '" + std::string(semantic) + "'" + names);
  }
  const Slot& slot = slots[static_cast<std::size_t>(i)];
  if (slot.dtype != at::kFloat)
    throw Error(HN_UNSUPPORTED, instance_.name() + ": " + name_ + ": expected " + kind + " '" +
                                    slot.name + "' (" + std::string(semantic) +
                                    ") in float32, got " + at::toString(slot.dtype));
  return static_cast<std::size_t>(i);
}

void FunctionClient::require_only(std::initializer_list<std::string_view> semantics) const {
  for (const Slot& slot : inputs_) {
    if (slot.optional() || slot.param()) continue;
    if (std::find(semantics.begin(), semantics.end(), slot.semantic) != semantics.end()) continue;
    throw Error(HN_UNSUPPORTED, where("input '" + slot.name + "'") +
                                    " must be given, and this host has nothing of the semantic '" +
                                    slot.semantic + "'");
  }
}

std::vector<std::vector<std::int64_t>> FunctionClient::shapes(std::span<const at::Tensor> in) {
  std::vector<std::vector<std::int64_t>> all;
  std::int64_t batch = 0;
  for (std::size_t i = 0; i < in.size() && i < inputs_.size(); ++i)
    for (std::size_t d = 0; in[i].defined() && d < inputs_[i].shape.size(); ++d)
      if (inputs_[i].shape[d] == HN_DIM_BATCH) batch = in[i].size(static_cast<std::int64_t>(d));
  bool open = false;
  for (const Slot& slot : outputs_) {
    all.push_back(slot.shape);
    for (std::int64_t& d : all.back()) {
      open = open || d == HN_DIM_ANY;
      if (d == HN_DIM_BATCH) d = batch;
    }
  }
  if (!open) return all;
  const hn_fn_v1& table = instance_.fn();
  if (table.shapes == nullptr)
    throw Error(HN_UNSUPPORTED, where("an output has no size of its own") +
                                    ", and the plugin does not tell it (shapes)");
  CallMemory memory;
  Call call{};
  call.in = in;
  const hn_call raw = raw_call(call, memory);
  std::vector<hn_shape> told(outputs_.size());
  instance_.call(Instance::Kind::kAsk, "shapes", [&](hn_error* error) {
    return table.shapes(fn_, &raw, told.data(), told.size(), error);
  });
  for (std::size_t o = 0; o < outputs_.size(); ++o) {
    const std::vector<std::int64_t>& slot = outputs_[o].shape;
    std::vector<std::int64_t>& shape = all[o];
    bool fits = told[o].ndim == static_cast<std::int32_t>(slot.size());
    for (std::size_t d = 0; fits && d < slot.size(); ++d) {
      fits = told[o].dim[d] >= 0 && (slot[d] == HN_DIM_ANY || told[o].dim[d] == shape[d]);
      shape[d] = told[o].dim[d];
    }
    if (!fits)
      throw Error(HN_INTERNAL, where("output '" + outputs_[o].name + "'") +
                                   ": shapes does not fit the slot " + shape_text(slot));
  }
  return all;
}

void TensorViews::assign(std::span<const at::Tensor> from) {
  tensors.resize(from.size());
  pointers.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    pointers[i] = nullptr;
    if (!from[i].defined()) continue;
    tensors[i] = borrow(from[i]);
    pointers[i] = &tensors[i];
  }
}

std::unique_ptr<CallMemory> FunctionClient::take_memory() {
  if (free_.empty()) return std::make_unique<CallMemory>();
  std::unique_ptr<CallMemory> memory = std::move(free_.back());
  free_.pop_back();
  return memory;
}

hn_call FunctionClient::raw_call(const Call& call, CallMemory& memory) const {
  memory.in.assign(call.in);
  memory.out.assign(call.out);
  hn_call raw{};
  raw.struct_size = sizeof(raw);
  raw.stream = instance_.runtime().stream;
  if (needs_cond()) {
    raw.cond = call.cond.data();
    raw.n_cond = call.cond.size();
  }
  raw.in = memory.in.pointers.data();
  raw.n_in = memory.in.pointers.size();
  raw.out = memory.out.pointers.data();
  raw.n_out = memory.out.pointers.size();
  if (!call.need_grad.empty()) {
    raw.flags = HN_CALL_WANT_GRAD;
    raw.need_grad = call.need_grad.data();
  }
  if (deterministic_ != Determinism::kNo) raw.flags |= HN_CALL_DETERMINISTIC;
  raw.rng_seed = call.rng_seed;
  raw.rng_offset = call.rng_offset;
  raw.saved_budget_bytes = call.saved_budget;
  return raw;
}

std::optional<hn_plan> FunctionClient::plan(const Call& call) {
  CallMemory memory;
  const hn_call raw = raw_call(call, memory);
  hn_plan plan{};
  plan.struct_size = sizeof(plan);
  hn_status status = HN_OK;
  instance_.call(Instance::Kind::kAsk, "plan", [&](hn_error* error) {
    status = instance_.fn().plan(fn_, &raw, &plan, error);
    return status == HN_UNSUPPORTED ? HN_OK : status;
  });
  return status == HN_OK ? std::optional(plan) : std::nullopt;
}

Saved FunctionClient::forward(const Call& call) {
  std::unique_ptr<CallMemory> memory = take_memory();
  hn_call raw = raw_call(call, *memory);
  hn_saved* saved = nullptr;
  const auto run = [&] {
    instance_.call(kind(forwards_), name_.c_str(), [&](hn_error* error) {
      saved = nullptr;
      return instance_.fn().forward(fn_, &raw, &saved, error);
    });
  };
  try {
    run();
  } catch (const Error& e) {
    // A plugin that succeeded and is refused all the same has kept something.
    if (saved != nullptr && instance_.alive()) release(saved);
    if (deterministic_ != Determinism::kAuto || e.code() != HN_UNSUPPORTED) throw;
    raw.flags &= ~HN_CALL_DETERMINISTIC;
    run();  // it was the flag that the plugin refused, or this gives the same error
    deterministic_ = Determinism::kNo;
    instance_.runtime().services.log(
        HN_LOG_WARNING,
        std::string("runs with one seed may differ in their last bits: ") + e.what());
  }
  if (saved == nullptr) {
    free_.push_back(std::move(memory));
    return {};
  }
  return {*this, saved, std::move(memory)};
}

void FunctionClient::backward(const Saved& saved, std::span<const at::Tensor> cotangent,
                              std::span<const at::Tensor> grad,
                              std::span<const std::uint8_t> accumulate) {
  grad_.assign(grad);
  cotangent_.assign(cotangent);
  hn_vjp vjp{};
  vjp.struct_size = sizeof(vjp);
  vjp.stream = instance_.runtime().stream;
  vjp.cotangent = cotangent_.pointers.data();
  vjp.n_out = cotangent_.pointers.size();
  vjp.grad = grad_.pointers.data();
  vjp.n_in = grad_.pointers.size();
  if (!accumulate.empty()) vjp.accumulate = accumulate.data();
  const auto run = [&](hn_error* error) {
    return instance_.fn().backward(fn_, saved.raw(), &vjp, error);
  };
  if (accumulate.empty())
    instance_.call(kind(backwards_), backward_.c_str(), run);
  else
    instance_.call_once(kind(backwards_), backward_.c_str(), run);
}

}  // namespace hn::core
