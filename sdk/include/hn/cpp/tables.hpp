// The C function tables over Instance and Function: every entry is one guard() around one virtual
// call.
#pragma once

#include <hn/cpp/plugin.hpp>

namespace hn::tables {

inline Instance& self(hn_instance* p) { return *reinterpret_cast<Instance*>(p); }
inline Function& self(hn_fn* p) { return *reinterpret_cast<Function*>(p); }

template <class Class>
hn_status HN_CALL create(const hn_host_v1* host, const hn_config* config, hn_instance** out,
                         hn_error* error) {
  return guard(error, [&] {
    *out = nullptr;
    // The table of version 1.0 is the shortest there is; a newer host's is longer.
    if (host == nullptr || !HN_HAS(host, hn_host_v1, config_list))
      throw Error(HN_INVALID_ARGUMENT, "[create] the host's table is missing or too short");
    std::unique_ptr<Instance> made = std::make_unique<Class>(Host(host), Config(host, config));
    *out = reinterpret_cast<hn_instance*>(made.release());
  });
}

inline void HN_CALL destroy(hn_instance* p) { delete reinterpret_cast<Instance*>(p); }

// ---- hn.fn/1

inline hn_status HN_CALL fn_open(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                                 hn_error* error) {
  return guard(error, [&] {
    *out = nullptr;
    *out = reinterpret_cast<hn_fn*>(
        self(p).open(view(name), Config(self(p).host().raw(), config)).release());
  });
}
inline void HN_CALL fn_close(hn_fn* p) { delete reinterpret_cast<Function*>(p); }

inline hn_status HN_CALL fn_info(hn_fn* p, hn_fn_info* out, hn_error* error) {
  return guard(error, [&] {
    fill_known_part(
        out, hn_fn_info{0, self(p).flags(), self(p).inputs().size(), self(p).outputs().size()});
  });
}

inline hn_status HN_CALL fn_slot(hn_fn* p, std::int32_t direction, std::uint64_t index,
                                 hn_slot* out, hn_error* error) {
  return guard(error, [&] {
    const auto& slots = direction == HN_SLOT_INPUT ? self(p).inputs() : self(p).outputs();
    if ((direction != HN_SLOT_INPUT && direction != HN_SLOT_OUTPUT) || index >= slots.size())
      throw Error(HN_INVALID_ARGUMENT, "[slot] no slot " + std::to_string(index) +
                                           " in direction " + std::to_string(direction));
    const SlotSpec& s = slots[index];
    fill_known_part(out, hn_slot{0, s.flags, str(s.name), str(s.semantic), s.dtype, s.grad_dtype,
                                 static_cast<std::int32_t>(s.shape.size()), 0, s.shape.data()});
  });
}

inline Call checked(hn_fn* p, const hn_call* call) {
  return {call, self(p).inputs(), self(p).outputs(), self(p).flags()};
}

inline hn_status HN_CALL fn_plan(hn_fn* p, const hn_call* call, hn_plan* out, hn_error* error) {
  return guard(error, [&] { fill_known_part(out, self(p).plan(checked(p, call))); });
}

inline hn_status HN_CALL fn_forward(hn_fn* p, const hn_call* call, hn_saved** saved,
                                    hn_error* error) {
  return guard(error, [&] {
    if (saved != nullptr) *saved = nullptr;
    const Call c = checked(p, call);
    c.require_data();
    if (c.want_grad() && saved == nullptr)
      throw Error(HN_INVALID_ARGUMENT, "[forward] HN_CALL_WANT_GRAD needs a place for saved");
    auto kept = self(p).forward(c);
    if (saved != nullptr) *saved = reinterpret_cast<hn_saved*>(kept.release());
  });
}

inline void check_vjp_side(const DLTensor* const* tensors, std::uint64_t n,
                           std::span<const SlotSpec> slots, bool is_grad) {
  const char* what = is_grad ? "grad" : "cotangent";
  if (n > slots.size())
    throw Error(HN_INVALID_ARGUMENT, std::string("[") + what + "] expected at most " +
                                         std::to_string(slots.size()) + " tensors, got " +
                                         std::to_string(n));
  for (std::uint64_t i = 0; i < n; ++i) {
    if (tensors[i] == nullptr) continue;
    const SlotSpec& slot = slots[i];
    const DLDataType want = is_grad ? slot.grad_dtype : slot.dtype;
    if ((slot.flags & HN_SLOT_DIFF) == 0)
      throw Error(HN_UNSUPPORTED,
                  std::string("[") + what + " " + slot.name + "] is not differentiable");
    if (!same_dtype(tensors[i]->dtype, want) ||
        tensors[i]->ndim != static_cast<std::int32_t>(slot.shape.size()))
      throw Error(HN_INVALID_ARGUMENT, std::string("[") + what + " " + slot.name + "] expected " +
                                           dtype_name(want) + " " + shape_text(slot.shape) +
                                           ", got " + dtype_name(tensors[i]->dtype) + " " +
                                           shape_text(shape_of(*tensors[i])));
    const bool empty = element_count(*tensors[i]) == 0;
    if (tensors[i]->strides == nullptr || (tensors[i]->data == nullptr && !empty))
      throw Error(HN_INVALID_ARGUMENT,
                  std::string("[") + what + " " + slot.name + "] has no strides or no data");
  }
}

inline hn_status HN_CALL fn_backward(hn_fn* p, hn_saved* saved, const hn_vjp* vjp,
                                     hn_error* error) {
  return guard(error, [&] {
    if (saved == nullptr)
      throw Error(HN_INVALID_ARGUMENT, "[backward] saved is NULL: forward ran without WANT_GRAD");
    const hn_vjp known = known_part(vjp);
    if (known.flags != 0)
      throw Error(HN_UNSUPPORTED, "[backward] unknown flags " + std::to_string(known.flags));
    check_vjp_side(known.cotangent, known.n_out, self(p).outputs(), false);
    check_vjp_side(known.grad, known.n_in, self(p).inputs(), true);
    self(p).backward(*reinterpret_cast<Saved*>(saved), known);
  });
}

inline void HN_CALL fn_saved_release(hn_fn*, hn_saved* saved, hn_stream) {
  delete reinterpret_cast<Saved*>(saved);
}

inline constexpr hn_fn_v1 kFn = {&fn_open, &fn_close,   &fn_info,     &fn_slot,
                                 &fn_plan, &fn_forward, &fn_backward, &fn_saved_release};

// ---- hn.cond/1

inline hn_status HN_CALL cond_encode(hn_instance* p, const hn_str* prompts, std::uint64_t n,
                                     hn_stream stream, hn_cond** out, hn_error* error) {
  return guard(error, [&] {
    std::vector<std::string_view> texts(n);
    for (std::uint64_t i = 0; i < n; ++i) texts[i] = view(prompts[i]);
    auto made = self(p).encode(texts, stream);
    if (made.size() != n)
      throw Error(HN_INTERNAL, "[encode] the plugin made another number of handles");
    for (std::uint64_t i = 0; i < n; ++i) out[i] = reinterpret_cast<hn_cond*>(made[i].release());
  });
}
inline void HN_CALL cond_release(hn_instance*, hn_cond* cond) {
  delete reinterpret_cast<Cond*>(cond);
}
// Functions without a status answer 0 (or NULL) where the plugin throws: nothing else may cross.
template <class Body>
auto value_or_zero(Body&& body) noexcept {
  decltype(body()) value{};
  (void)guard(nullptr, [&] { value = body(); });
  return value;
}
inline std::uint64_t HN_CALL cond_size_bytes(hn_instance*, const hn_cond* cond) {
  return value_or_zero([&] { return reinterpret_cast<const Cond*>(cond)->size_bytes(); });
}
inline std::uint64_t HN_CALL cond_embedding_size(hn_instance* p) {
  return value_or_zero([&] { return self(p).embedding_size(); });
}
inline hn_status HN_CALL cond_embedding(hn_instance* p, const hn_cond* cond, hn_stream stream,
                                        const DLTensor* out, hn_error* error) {
  return guard(error, [&] {
    const auto size = static_cast<std::int64_t>(self(p).embedding_size());
    if (size > 0 && (out->ndim != 1 || out->shape[0] != size || !same_dtype(out->dtype, kFloat32)))
      throw Error(HN_INVALID_ARGUMENT, "[embedding] expected float32 (" + std::to_string(size) +
                                           "), got " + dtype_name(out->dtype) + " " +
                                           shape_text(shape_of(*out)));
    self(p).embedding(*reinterpret_cast<const Cond*>(cond), stream, *out);
  });
}

inline constexpr hn_cond_v1 kCond = {&cond_encode, &cond_release, &cond_size_bytes,
                                     &cond_embedding_size, &cond_embedding};

// ---- hn.adapter/1

inline hn_status HN_CALL adapter_layer_count(hn_instance* p, hn_str fn, std::uint64_t* out,
                                             hn_error* error) {
  return guard(error, [&] { *out = self(p).layers(view(fn)).size(); });
}
inline hn_status HN_CALL adapter_layer(hn_instance* p, hn_str fn, std::uint64_t index,
                                       hn_layer* out, hn_error* error) {
  return guard(error, [&] {
    const auto& layers = self(p).layers(view(fn));
    if (index >= layers.size())
      throw Error(HN_INVALID_ARGUMENT, "[layer] no layer " + std::to_string(index));
    const LayerSpec& l = layers[index];
    fill_known_part(out, hn_layer{0, l.kind, str(l.name), l.in_features, l.out_features, l.kernel_h,
                                  l.kernel_w, l.groups, 0});
  });
}

inline constexpr hn_adapter_v1 kAdapter = {&adapter_layer_count, &adapter_layer};

// ---- hn.memory/1

inline std::uint64_t HN_CALL memory_used_bytes(hn_instance* p) {
  return value_or_zero([&] { return self(p).used_bytes(); });
}
inline void HN_CALL memory_trim(hn_instance* p, hn_stream stream) {
  (void)guard(nullptr, [&] { self(p).trim(stream); });
}

inline constexpr hn_memory_v1 kMemory = {&memory_used_bytes, &memory_trim};

inline const void* HN_CALL get_interface(hn_instance* p, const char* id) {
  return value_or_zero([&]() -> const void* {
    const std::string_view wanted(id == nullptr ? "" : id);
    if (wanted == HN_FN_V1) return &kFn;
    if (wanted == HN_COND_V1) return self(p).has_cond() ? &kCond : nullptr;
    if (wanted == HN_ADAPTER_V1) return self(p).has_adapters() ? &kAdapter : nullptr;
    if (wanted == HN_MEMORY_V1) return &kMemory;
    return nullptr;
  });
}

}  // namespace hn::tables
