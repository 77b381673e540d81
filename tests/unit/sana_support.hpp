// A generator used through its ABI alone, and copies of the small golden model that a test may
// spoil.
#pragma once

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hn/hn.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/torch/tensor.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "safetensors/safetensors.hpp"

namespace hn::test {

namespace fs = std::filesystem;

using List = std::vector<std::string>;
using Options = std::map<std::string, std::variant<std::string, std::int64_t, double, bool, List>>;

inline const fs::path kSource = HN_SOURCE_DIR;
inline const fs::path kEmoji = kSource / "plugins/generators/sana_sprint/weights/emoji-sprint";

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

class Generator {
 public:
  static const hn_plugin_v1& entry() {
    static const hn_plugin_v1* const table = [] {
      void* library =
          dlopen(HN_PLUGIN_DIR "/sana_sprint.hnp/libsana_sprint.so", RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) throw std::runtime_error(dlerror());
      return static_cast<const hn_plugin_v1*>(dlsym(library, HN_PLUGIN_ENTRY_V1));
    }();
    return *table;
  }
  static Outcome try_create(const Options& options) {
    ErrorBuffer error;
    hn_instance* instance = nullptr;
    const hn_status s = entry().create(
        &options_host(), reinterpret_cast<const hn_config*>(&options), &instance, error.get());
    EXPECT_EQ(instance != nullptr, s == HN_OK);
    entry().destroy(instance);
    return {s, error.text()};
  }

  explicit Generator(const Options& options = {{"weights", kEmoji.string()}}) {
    ErrorBuffer error;
    check(entry().create(&options_host(), reinterpret_cast<const hn_config*>(&options), &instance,
                         error.get()),
          error);
    fn = static_cast<const hn_fn_v1*>(entry().get_interface(instance, HN_FN_V1));
    cond = static_cast<const hn_cond_v1*>(entry().get_interface(instance, HN_COND_V1));
    adapter = static_cast<const hn_adapter_v1*>(entry().get_interface(instance, HN_ADAPTER_V1));
    memory = static_cast<const hn_memory_v1*>(entry().get_interface(instance, HN_MEMORY_V1));
  }
  ~Generator() {
    for (hn_cond* c : handles) cond->release(instance, c);
    entry().destroy(instance);
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  void prompts(const std::vector<std::string>& texts) {
    for (hn_cond* c : handles) cond->release(instance, c);
    handles.assign(texts.size(), nullptr);
    std::vector<hn_str> views;
    for (const auto& t : texts) views.push_back(str(t));
    ErrorBuffer error;
    check(cond->encode(instance, views.data(), views.size(), kCpu, handles.data(), error.get()),
          error);
  }

  hn_instance* instance = nullptr;
  const hn_fn_v1* fn;
  const hn_cond_v1* cond;
  const hn_adapter_v1* adapter;
  const hn_memory_v1* memory;
  std::vector<hn_cond*> handles;
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
  Result run(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& cotangents = {},
             std::uint64_t seed = 0, std::uint32_t more_flags = 0) {
    Result r;
    std::int64_t batch = inputs[0].size(0);
    for (const auto& s : out) r.outputs.push_back(at::full(with_batch(s.shape, batch), NAN));
    std::vector<DLTensor> in_views, out_views;
    std::vector<const DLTensor*> in_ptrs, out_ptrs;
    const std::vector<std::uint8_t> need(inputs.size(), 1);
    fill(inputs, in_views, in_ptrs);
    fill(r.outputs, out_views, out_ptrs);
    hn_call call{};
    call.struct_size = sizeof(call);
    call.flags = (cotangents.empty() ? 0u : HN_CALL_WANT_GRAD) | more_flags;
    call.stream = kCpu;
    if ((flags & HN_FN_NEEDS_COND) != 0) {
      call.cond = generator_.handles.data();
      call.n_cond = generator_.handles.size();
    }
    call.in = in_ptrs.data(), call.n_in = in_ptrs.size();
    call.out = out_ptrs.data(), call.n_out = out_ptrs.size();
    call.need_grad = cotangents.empty() ? nullptr : need.data();
    call.rng_seed = seed;
    ErrorBuffer error;
    hn_saved* saved = nullptr;
    r.outcome.status = generator_.fn->forward(fn_, &call, &saved, error.get());
    r.outcome.text = error.text();
    if (r.outcome.status != HN_OK || cotangents.empty()) return r;

    for (const auto& x : inputs)
      r.grads.push_back(x.defined() ? at::full(x.sizes(), NAN) : at::Tensor());
    std::vector<DLTensor> cot_views, grad_views;
    std::vector<const DLTensor*> cot_ptrs, grad_ptrs;
    fill(cotangents, cot_views, cot_ptrs);
    fill(r.grads, grad_views, grad_ptrs);
    hn_vjp vjp{};
    vjp.struct_size = sizeof(vjp);
    vjp.stream = kCpu;
    vjp.cotangent = cot_ptrs.data(), vjp.n_out = cot_ptrs.size();
    vjp.grad = grad_ptrs.data(), vjp.n_in = grad_ptrs.size();
    r.outcome.status = generator_.fn->backward(fn_, saved, &vjp, error.get());
    r.outcome.text = error.text();
    generator_.fn->saved_release(fn_, saved, kCpu);
    return r;
  }

  std::vector<Slot> in, out;
  std::uint32_t flags = 0;

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

// A copy of the golden model "plain" with the embedded tokenizer, for a test to spoil.
class ModelCopy {
 public:
  ModelCopy() : root_(fs::temp_directory_path() / ("hn_sana_copy_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_);
    for (const char* part : {"transformer", "vae", "text_encoder", "scheduler"})
      fs::copy(kSource / "tests/golden/sana_sprint/plain" / part, root_ / part,
               fs::copy_options::recursive);
    fs::copy(kEmoji / "tokenizer", root_ / "tokenizer", fs::copy_options::recursive);
  }
  ~ModelCopy() { fs::remove_all(root_); }
  ModelCopy(const ModelCopy&) = delete;
  ModelCopy& operator=(const ModelCopy&) = delete;

  const fs::path& root() const { return root_; }
  void edit_json(const std::string& file, const std::function<void(nlohmann::json&)>& edit) const {
    nlohmann::json json = nlohmann::json::parse(std::ifstream(root_ / file));
    edit(json);
    std::ofstream(root_ / file) << json;
  }
  // Rewrites a weights file; edit may erase, rename or reshape entries.
  void edit_weights(const std::string& file,
                    const std::function<void(std::vector<TensorToWrite>&)>& edit) const {
    const auto old = SafetensorsFile::open(root_ / file);
    std::vector<TensorToWrite> tensors;
    for (const auto& t : old.tensors())
      tensors.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
    edit(tensors);
    write_safetensors(root_ / file, tensors);
  }

 private:
  fs::path root_;
};

}  // namespace hn::test
