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
    if (out == nullptr) throw Error(HN_INVALID_ARGUMENT, "[create] out is NULL");
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

inline hn_status HN_CALL fn_shapes(hn_fn* p, const hn_call* call, hn_shape* out,
                                   std::uint64_t n_out, hn_error* error) {
  return guard(error, [&] {
    const std::size_t count = self(p).outputs().size();
    if (n_out != count || (out == nullptr && count > 0))
      throw Error(HN_INVALID_ARGUMENT, "[shapes] expected room for " + std::to_string(count) +
                                           " shapes, got " + std::to_string(n_out));
    const auto shapes = self(p).shapes(Call(call, self(p).inputs(), {}, self(p).flags()));
    if (shapes.size() != count)
      throw Error(HN_INTERNAL, "[shapes] the plugin gave another number of shapes");
    for (std::size_t i = 0; i < count; ++i) {
      if (shapes[i].size() > HN_MAX_DIMS)
        throw Error(HN_INTERNAL, "[shapes] output " + self(p).outputs()[i].name +
                                     " has more than " + std::to_string(HN_MAX_DIMS) +
                                     " dimensions");
      out[i] = {};
      out[i].ndim = static_cast<std::int32_t>(shapes[i].size());
      std::copy(shapes[i].begin(), shapes[i].end(), out[i].dim);
    }
  });
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
    const DLDataType want = slot.grad_dtype;
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
    std::string wrong = layout_problem(*tensors[i]);
    if (wrong.empty() && tensors[i]->data == nullptr && !empty) wrong = "a tensor without data";
    if (!wrong.empty())
      throw Error(HN_INVALID_ARGUMENT,
                  std::string("[") + what + " " + slot.name + "] got " + wrong);
  }
}

inline hn_status HN_CALL fn_backward(hn_fn* p, hn_saved* saved, const hn_vjp* vjp,
                                     hn_error* error) {
  return guard(error, [&] {
    if (saved == nullptr)
      throw Error(HN_INVALID_ARGUMENT, "[backward] saved is NULL: forward ran without WANT_GRAD");
    if (vjp == nullptr || !HN_HAS(vjp, hn_vjp, next))
      throw Error(
          HN_INVALID_ARGUMENT,
          "[backward] struct_size: expected the fields of version 1.0, got a shorter struct");
    const hn_vjp known = known_part(vjp);
    check_flags(known.flags, 0, "vjp");
    refuse_unknown(known.next, "vjp");
    if ((known.n_out > 0 && known.cotangent == nullptr) ||
        (known.n_in > 0 && known.grad == nullptr))
      throw Error(HN_INVALID_ARGUMENT, "[backward] a list of tensors is NULL");
    check_vjp_side(known.cotangent, known.n_out, self(p).outputs(), false);
    check_vjp_side(known.grad, known.n_in, self(p).inputs(), true);
    self(p).backward(*reinterpret_cast<Saved*>(saved), known);
  });
}

inline void HN_CALL fn_saved_release(hn_fn*, hn_saved* saved, hn_stream last_use) {
  auto* kept = reinterpret_cast<Saved*>(saved);
  if (kept != nullptr) kept->last_use(last_use);
  delete kept;
}

inline constexpr hn_fn_v1 kFn = {&fn_open,    &fn_close,    &fn_info,          &fn_slot,  &fn_plan,
                                 &fn_forward, &fn_backward, &fn_saved_release, &fn_shapes};

// ---- hn.cond/1

// A field that the plugin does not read would change nothing, in silence.
inline Prompt read_prompt(const hn_prompt* raw, std::uint64_t index, std::uint32_t fields) {
  const std::string where = "[prompt " + std::to_string(index) + "] ";
  if (raw == nullptr || !HN_HAS(raw, hn_prompt, n_tensors))
    throw Error(HN_INVALID_ARGUMENT, where + "expected the fields of version 1.0, got " +
                                         (raw == nullptr ? "NULL" : "a shorter struct"));
  Prompt prompt(raw);
  const auto refuse = [&](const char* field) {
    throw Error(HN_UNSUPPORTED, where + "this plugin reads no " + field);
  };
  if (!prompt.negative().empty() && (fields & HN_PROMPT_NEGATIVE) == 0) refuse("negative prompt");
  if (!prompt.json().empty() && (fields & HN_PROMPT_JSON) == 0) refuse("json");
  if (!prompt.tensors().empty() && (fields & HN_PROMPT_TENSORS) == 0) refuse("tensors");
  for (const hn_named_tensor& named : prompt.tensors()) {
    const std::string name(view(named.name));
    if (named.tensor == nullptr)
      throw Error(HN_INVALID_ARGUMENT, where + "the tensor '" + name + "' is NULL");
    if (const std::string wrong = layout_problem(*named.tensor); !wrong.empty())
      throw Error(HN_INVALID_ARGUMENT, where + "the tensor '" + name + "': got " + wrong);
  }
  return prompt;
}

inline hn_status HN_CALL cond_encode(hn_instance* p, const hn_prompt* const* prompts,
                                     std::uint64_t n, hn_stream stream, hn_cond** out,
                                     hn_error* error) {
  return guard(error, [&] {
    if (n > 0 && (prompts == nullptr || out == nullptr))
      throw Error(HN_INVALID_ARGUMENT, "[encode] prompts or out is NULL");
    for (std::uint64_t i = 0; i < n; ++i) out[i] = nullptr;
    std::vector<Prompt> read;
    const std::uint32_t fields = self(p).prompt_fields();
    for (std::uint64_t i = 0; i < n; ++i) read.push_back(read_prompt(prompts[i], i, fields));
    auto made = self(p).encode(read, stream);
    if (made.size() != n)
      throw Error(HN_INTERNAL, "[encode] the plugin made another number of handles");
    for (std::uint64_t i = 0; i < n; ++i) out[i] = reinterpret_cast<hn_cond*>(made[i].release());
  });
}
inline void HN_CALL cond_release(hn_instance*, hn_cond* cond, hn_stream last_use) {
  auto* kept = reinterpret_cast<Cond*>(cond);
  if (kept != nullptr) kept->last_use(last_use);
  delete kept;
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

inline std::uint32_t HN_CALL cond_prompt_fields(hn_instance* p) {
  return value_or_zero([&] { return self(p).prompt_fields(); });
}

inline constexpr hn_cond_v1 kCond = {&cond_encode,         &cond_release,   &cond_size_bytes,
                                     &cond_embedding_size, &cond_embedding, &cond_prompt_fields};

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

inline hn_status HN_CALL memory_use(hn_instance* p, std::uint64_t index, hn_memory_use* out,
                                    hn_error* error) {
  return guard(error, [&] {
    const std::vector<MemoryUse> uses = self(p).memory_use();
    if (index >= uses.size())
      throw Error(HN_NOT_FOUND, "[memory] no device " + std::to_string(index) + " of " +
                                    std::to_string(uses.size()));
    const auto& [device, bytes] = uses[index];
    fill_known_part(out, hn_memory_use{0, static_cast<std::int32_t>(device.device_type),
                                       device.device_id, 0, bytes});
  });
}
inline void HN_CALL memory_trim(hn_instance* p, hn_stream stream) {
  (void)guard(nullptr, [&] { self(p).trim(stream); });
}

inline constexpr hn_memory_v1 kMemory = {&memory_use, &memory_trim};

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

// A plugin class may have tables that need no instance, see HN_PLUGIN.
template <class Class>
const void* HN_CALL get_plugin_interface(const hn_host_v1*, const char* id) {
  return value_or_zero([&]() -> const void* {
    if constexpr (requires { Class::template plugin_interface<Class>(std::string_view()); })
      return Class::template plugin_interface<Class>(id == nullptr ? "" : id);
    else
      return nullptr;
  });
}

}  // namespace hn::tables
