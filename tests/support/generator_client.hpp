// A generator (or a reward) used through its ABI alone: a host made of a map of options, one
// instance, its opened functions.
#pragma once

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hn/hn.h>

#include <cstdlib>
#include <functional>
#include <hn/cpp/client.hpp>
#include <hn/cpp/error.hpp>
#include <hn/torch/tensor.hpp>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace hn::test {

using List = std::vector<std::string>;
using Options = std::map<std::string, std::variant<std::string, std::int64_t, double, bool, List>>;

template <class T>
hn_status lookup(const hn_config* config, const char* key, const T** out) {
  const auto& options = *reinterpret_cast<const Options*>(config);
  const auto it = options.find(key);
  if (it == options.end()) return HN_NOT_FOUND;
  *out = std::get_if<T>(&it->second);
  return *out == nullptr ? HN_INVALID_ARGUMENT : HN_OK;
}

// hn_host_v1 over a map; hn_config is the map. `cancelled` is what is_cancelled answers.
inline std::int32_t& cancelled() {
  static std::int32_t value = 0;
  return value;
}
inline const hn_host_v1& options_host() {
  static const hn_host_v1 host = {
      sizeof(hn_host_v1),
      HN_ABI_MINOR,
      nullptr,
      +[](void*, const char*) -> const void* { return nullptr; },
      +[](void*, std::int32_t, hn_str) {},
      +[](void*) { return cancelled(); },
      +[](void*, hn_str, std::uint64_t, std::uint64_t) {},
      +[](const hn_config* c, const char* key, hn_str* out) {
        const std::string* v = nullptr;
        const hn_status s = lookup(c, key, &v);
        if (s == HN_OK) *out = str(*v);
        return s;
      },
      +[](const hn_config* c, const char* key, std::int64_t* out) {
        const std::int64_t* v = nullptr;
        const hn_status s = lookup(c, key, &v);
        if (s == HN_OK) *out = *v;
        return s;
      },
      +[](const hn_config* c, const char* key, double* out) {
        const double* v = nullptr;
        const hn_status s = lookup(c, key, &v);
        if (s == HN_OK) *out = *v;
        return s;
      },
      +[](const hn_config* c, const char* key, std::int32_t* out) {
        const bool* v = nullptr;
        const hn_status s = lookup(c, key, &v);
        if (s == HN_OK) *out = *v ? 1 : 0;
        return s;
      },
      +[](const hn_config* c, const char* key, std::uint64_t index, hn_str* out) {
        const List* v = nullptr;
        const hn_status s = lookup(c, key, &v);
        if (s != HN_OK) return s;
        if (index >= v->size()) return HN_NOT_FOUND;
        *out = str((*v)[index]);
        return HN_OK;
      }};
  return host;
}

inline constexpr hn_stream kCpu{kDLCPU, 0, 0};

// What a call says: its code and text.
struct Outcome {
  hn_status status;
  std::string text;
};

// HN_TEST_PLUGINS names the bundles' folder where the program has left its build tree.
inline std::string bundle_of(const std::string& plugin) {
  const char* folder = std::getenv("HN_TEST_PLUGINS");
  return std::string(folder != nullptr ? folder : HN_PLUGIN_DIR) + "/" + plugin + ".hnp";
}

// With the option that every host passes.
inline Options with_bundle(const std::string& plugin, Options options) {
  options.try_emplace("bundle", bundle_of(plugin));
  return options;
}

// A built plugin's table, by the plugin's name; its library stays open.
inline const hn_plugin_v1& plugin_entry(const std::string& plugin) {
  const std::string file = bundle_of(plugin) + "/lib" + plugin + ".so";
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  return *static_cast<const hn_plugin_v1*>(dlsym(library, HN_PLUGIN_ENTRY_V1));
}

// The device that the option `device` names, and its legacy default stream.
inline at::Device option_device(const Options& options) {
  const auto found = options.find("device");
  if (found == options.end()) return at::kCPU;
  const at::Device device(std::get<std::string>(found->second));
  return device.is_cuda() && !device.has_index() ? at::Device(at::kCUDA, 0) : device;
}
inline hn_stream stream_of(at::Device device) {
  return device.is_cuda() ? hn_stream{kDLCUDA, device.index(), 1} : kCpu;
}

// One instance of a generator; its calls go to `stream`, their tensors are on `device`.
class Generator {
 public:
  // What creating one says.
  static Outcome try_create(const std::string& plugin, const Options& given) {
    const Options options = with_bundle(plugin, given);
    const hn_plugin_v1& entry = plugin_entry(plugin);
    ErrorBuffer error;
    hn_instance* instance = nullptr;
    const hn_status s = entry.create(&options_host(), reinterpret_cast<const hn_config*>(&options),
                                     &instance, error.get());
    EXPECT_EQ(instance != nullptr, s == HN_OK);
    entry.destroy(instance);
    return {s, error.text()};
  }

  Generator(const std::string& plugin, const Options& given)
      : device(option_device(given)), stream(stream_of(device)), entry_(plugin_entry(plugin)) {
    const Options options = with_bundle(plugin, given);
    ErrorBuffer error;
    check(entry_.create(&options_host(), reinterpret_cast<const hn_config*>(&options), &instance,
                        error.get()),
          error);
    fn = static_cast<const hn_fn_v1*>(entry_.get_interface(instance, HN_FN_V1));
    cond = static_cast<const hn_cond_v1*>(entry_.get_interface(instance, HN_COND_V1));
    adapter = static_cast<const hn_adapter_v1*>(entry_.get_interface(instance, HN_ADAPTER_V1));
    memory = static_cast<const hn_memory_v1*>(entry_.get_interface(instance, HN_MEMORY_V1));
  }
  ~Generator() {
    for (hn_cond* c : handles) cond->release(instance, c, stream);
    entry_.destroy(instance);
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  void prompts(const std::vector<std::string>& texts) {
    for (hn_cond* c : handles) cond->release(instance, c, stream);
    handles.assign(texts.size(), nullptr);
    RawPrompts views(texts);
    ErrorBuffer error;
    check(cond->encode(instance, views.data(), views.size(), stream, handles.data(), error.get()),
          error);
  }

  at::Device device;
  hn_stream stream;
  hn_instance* instance = nullptr;
  const hn_fn_v1* fn;
  const hn_cond_v1* cond;
  const hn_adapter_v1* adapter;
  const hn_memory_v1* memory;
  std::vector<hn_cond*> handles;

 private:
  const hn_plugin_v1& entry_;
};

// One opened function; tensors go by slot order, undefined ones as NULL.
class Opened {
 public:
  Opened(Generator& generator, const std::string& name, const Options& options = {})
      : generator_(generator) {
    ErrorBuffer error;
    check(generator.fn->open(generator.instance, str(name),
                             reinterpret_cast<const hn_config*>(&options), &fn_, error.get()),
          error);
    hn_fn_info info{sizeof(hn_fn_info), 0, 0, 0};
    check(generator.fn->info(fn_, &info, error.get()), error);
    flags = info.flags;
    for (std::uint64_t i = 0; i < info.n_in; ++i) in.push_back(slot(HN_SLOT_INPUT, i));
    for (std::uint64_t i = 0; i < info.n_out; ++i) out.push_back(slot(HN_SLOT_OUTPUT, i));
  }
  ~Opened() { generator_.fn->close(fn_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  struct Slot {
    std::string name, semantic;
    std::vector<std::int64_t> shape;
    std::uint32_t flags;
  };
  static std::vector<std::int64_t> with_batch(std::vector<std::int64_t> shape, std::int64_t batch) {
    for (auto& d : shape) d = d == HN_DIM_BATCH ? batch : d;
    return shape;
  }

  // Forward, and with cotangents backward to all given inputs. Every output is wanted.
  struct Result {
    Outcome outcome{HN_OK, {}};
    std::vector<at::Tensor> outputs, grads;
  };
  // One call in pieces: its tensors and arrays, and what the plugin saved, live as long as it does.
  class Pass {
   public:
    Pass(Opened& opened, std::vector<at::Tensor> inputs, std::vector<at::Tensor> outputs)
        : opened_(opened), in_(std::move(inputs)), out_(std::move(outputs)), need_(in_.size(), 1) {}
    ~Pass() {
      if (saved_ != nullptr) table().saved_release(opened_.fn_, saved_, last_);
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    Outcome forward(bool keep, hn_stream stream, std::uint64_t seed = 0,
                    std::uint32_t more_flags = 0) {
      fill(in_, in_views_, in_pointers_);
      fill(out_, out_views_, out_pointers_);
      hn_call call{};
      call.struct_size = sizeof(call);
      call.flags = (keep ? HN_CALL_WANT_GRAD : 0u) | more_flags;
      call.stream = last_ = stream;
      if ((opened_.flags & HN_FN_NEEDS_COND) != 0) {
        call.cond = opened_.generator_.handles.data();
        call.n_cond = opened_.generator_.handles.size();
      }
      call.in = in_pointers_.data(), call.n_in = in_pointers_.size();
      call.out = out_pointers_.data(), call.n_out = out_pointers_.size();
      call.need_grad = keep ? need_.data() : nullptr;
      call.rng_seed = seed;
      call.saved_budget_bytes = opened_.saved_budget;
      ErrorBuffer error;
      hn_status status = HN_OK;
      opened_.around_forward(
          [&] { status = table().forward(opened_.fn_, &call, &saved_, error.get()); });
      return {status, error.text()};
    }
    Outcome backward(const std::vector<at::Tensor>& cotangents,
                     const std::vector<at::Tensor>& grads, hn_stream stream) {
      std::vector<DLTensor> cot_views, grad_views;
      std::vector<const DLTensor*> cot_ptrs, grad_ptrs;
      fill(cotangents, cot_views, cot_ptrs);
      fill(grads, grad_views, grad_ptrs);
      hn_vjp vjp{};
      vjp.struct_size = sizeof(vjp);
      vjp.stream = last_ = stream;
      vjp.cotangent = cot_ptrs.data(), vjp.n_out = cot_ptrs.size();
      vjp.grad = grad_ptrs.data(), vjp.n_in = grad_ptrs.size();
      ErrorBuffer error;
      const hn_status status = table().backward(opened_.fn_, saved_, &vjp, error.get());
      return {status, error.text()};
    }
    const std::vector<at::Tensor>& outputs() const { return out_; }

   private:
    const hn_fn_v1& table() const { return *opened_.generator_.fn; }
    Opened& opened_;
    std::vector<at::Tensor> in_, out_;
    std::vector<std::uint8_t> need_;
    std::vector<DLTensor> in_views_, out_views_;
    std::vector<const DLTensor*> in_pointers_, out_pointers_;
    hn_saved* saved_ = nullptr;
    hn_stream last_ = kCpu;
  };

  // Room for every output, NaN so that what is not written is seen.
  std::vector<at::Tensor> room(std::int64_t batch) const {
    std::vector<at::Tensor> outputs;
    for (const auto& s : out)
      outputs.push_back(at::full(with_batch(s.shape, batch), NAN, generator_.device));
    return outputs;
  }
  Result run(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& cotangents = {},
             std::uint64_t seed = 0, std::uint32_t more_flags = 0) {
    Result r;
    const bool keep = !cotangents.empty();
    r.outputs = room(inputs[0].size(0));
    Pass pass(*this, inputs, r.outputs);
    r.outcome = pass.forward(keep, generator_.stream, seed, more_flags);
    if (r.outcome.status != HN_OK || !keep) return r;
    for (const auto& x : inputs)
      r.grads.push_back(x.defined() ? at::full(x.sizes(), NAN, x.device()) : at::Tensor());
    r.outcome = pass.backward(cotangents, r.grads, generator_.stream);
    return r;
  }

  // What hn.fn/1 plans for a call with gradients by all of these inputs.
  hn_plan plan(const std::vector<at::Tensor>& inputs) {
    const std::vector<at::Tensor> outputs = room(inputs[0].size(0));
    std::vector<DLTensor> views, out_views;
    std::vector<const DLTensor*> pointers, out_pointers;
    const std::vector<std::uint8_t> need(inputs.size(), 1);
    fill(inputs, views, pointers);
    fill(outputs, out_views, out_pointers);
    hn_call call{};
    call.struct_size = sizeof(call);
    call.flags = HN_CALL_WANT_GRAD;
    call.stream = generator_.stream;
    if ((flags & HN_FN_NEEDS_COND) != 0) {
      call.cond = generator_.handles.data();
      call.n_cond = generator_.handles.size();
    }
    call.in = pointers.data(), call.n_in = pointers.size();
    call.out = out_pointers.data(), call.n_out = out_pointers.size();
    call.need_grad = need.data();
    call.saved_budget_bytes = saved_budget;
    hn_plan plan{sizeof(hn_plan), 0, 0, 0};
    ErrorBuffer error;
    check(generator_.fn->plan(fn_, &call, &plan, error.get()), error);
    return plan;
  }

  std::vector<Slot> in, out;
  std::uint32_t flags = 0;
  std::uint64_t saved_budget = 0;  // of the calls
  // Runs a call's forward; for measuring it.
  std::function<void(const std::function<void()>&)> around_forward =
      [](const std::function<void()>& forward) { forward(); };

 private:
  Slot slot(std::int32_t direction, std::uint64_t index) {
    hn_slot s{};
    s.struct_size = sizeof(s);
    ErrorBuffer error;
    check(generator_.fn->slot(fn_, direction, index, &s, error.get()), error);
    return {std::string(view(s.name)),
            std::string(view(s.semantic)),
            {s.shape, s.shape + s.ndim},
            s.flags};
  }
  static void fill(const std::vector<at::Tensor>& tensors, std::vector<DLTensor>& views,
                   std::vector<const DLTensor*>& pointers) {
    views.resize(tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].defined()) views[i] = borrow(tensors[i]);
      pointers.push_back(tensors[i].defined() ? &views[i] : nullptr);
    }
  }
  Generator& generator_;
  hn_fn* fn_ = nullptr;
};

}  // namespace hn::test
