// What the rewards' tests share: a host with options from a map, and a reward used through its ABI
// alone.
//
// The tests link neither LibTorch nor the plugins' code: a plugin is opened as a host opens it, so
// parity is measured at the boundary.
#pragma once

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hn/hn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <hn/cpp/client.hpp>
#include <hn/cpp/error.hpp>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/float_views.hpp"

namespace hn::test {

using OptionValue = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>>;
using Options = std::map<std::string, OptionValue>;

// hn_host_v1 over a map; hn_config is the map itself.
inline const hn_host_v1& fake_host() {
  static const auto lookup = [](const hn_config* c, const char* key) -> const OptionValue* {
    const auto& options = *reinterpret_cast<const Options*>(c);
    const auto it = options.find(key);
    return it == options.end() ? nullptr : &it->second;
  };
  static const hn_host_v1 host = {
      sizeof(hn_host_v1),
      HN_ABI_MINOR,
      nullptr,
      +[](void*, const char*) -> const void* { return nullptr; },
      +[](void*, std::int32_t, hn_str) {},
      +[](void*) -> std::int32_t { return 0; },
      +[](void*, hn_str, std::uint64_t, std::uint64_t) {},
      +[](const hn_config* c, const char* key, hn_str* out) -> hn_status {
        const OptionValue* v = lookup(c, key);
        if (v == nullptr) return HN_NOT_FOUND;
        const auto* text = std::get_if<std::string>(v);
        if (text == nullptr) return HN_INVALID_ARGUMENT;
        *out = str(*text);
        return HN_OK;
      },
      +[](const hn_config* c, const char* key, std::int64_t* out) -> hn_status {
        const OptionValue* v = lookup(c, key);
        if (v == nullptr) return HN_NOT_FOUND;
        const auto* number = std::get_if<std::int64_t>(v);
        if (number == nullptr) return HN_INVALID_ARGUMENT;
        *out = *number;
        return HN_OK;
      },
      +[](const hn_config* c, const char* key, double* out) -> hn_status {
        const OptionValue* v = lookup(c, key);
        if (v == nullptr) return HN_NOT_FOUND;
        const auto* number = std::get_if<double>(v);
        if (number == nullptr) return HN_INVALID_ARGUMENT;
        *out = *number;
        return HN_OK;
      },
      +[](const hn_config* c, const char* key, std::int32_t* out) -> hn_status {
        const OptionValue* v = lookup(c, key);
        if (v == nullptr) return HN_NOT_FOUND;
        const auto* flag = std::get_if<bool>(v);
        if (flag == nullptr) return HN_INVALID_ARGUMENT;
        *out = *flag ? 1 : 0;
        return HN_OK;
      },
      +[](const hn_config* c, const char* key, std::uint64_t index, hn_str* out) -> hn_status {
        const OptionValue* v = lookup(c, key);
        if (v == nullptr) return HN_NOT_FOUND;
        const auto* list = std::get_if<std::vector<std::string>>(v);
        if (list == nullptr) return HN_INVALID_ARGUMENT;
        if (index >= list->size()) return HN_NOT_FOUND;
        *out = str((*list)[index]);
        return HN_OK;
      }};
  return host;
}

// A float32 tensor that owns its memory; strides can be anything that stays inside it.
struct Tensor {
  std::vector<float> data;
  std::vector<std::int64_t> shape, strides;
  std::int64_t offset = 0;  // elements before element 0
  DLDataType dtype{kDLFloat, 32, 1};

  explicit Tensor(std::vector<std::int64_t> s, float fill = 0.0f)
      : data(static_cast<std::size_t>(number_of(s)), fill),
        shape(std::move(s)),
        strides(row_major(shape)) {}
  Tensor(std::vector<std::int64_t> s, std::vector<float> values) : Tensor(std::move(s)) {
    data = std::move(values);
  }
  std::int64_t numel() const { return number_of(shape); }
  DLTensor view() {
    DLTensor t = float_view(data.data(), shape, strides.data());
    t.dtype = dtype;
    t.byte_offset = static_cast<std::uint64_t>(offset) * sizeof(float);
    return t;
  }
};

// A code and its text.
struct Outcome {
  hn_status status = HN_OK;
  std::string text;
};

inline constexpr hn_stream kCpuStream{kDLCPU, 0, 0};

// One opened reward: instance, the function "score", and the handles of the prompts it was last
// given.
class Reward {
 public:
  // name: the bundle's, as in redness.hnp/libredness.so under HN_PLUGIN_DIR.
  static const hn_plugin_v1& entry(const std::string& name) {
    const std::string path = std::string(HN_PLUGIN_DIR) + "/" + name + ".hnp/lib" + name + ".so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    return *static_cast<const hn_plugin_v1*>(dlsym(library, HN_PLUGIN_ENTRY_V1));
  }

  // As every host passes it.
  static Options with_bundle(const std::string& name, Options options) {
    options.try_emplace("bundle", std::string(HN_PLUGIN_DIR) + "/" + name + ".hnp");
    return options;
  }

  // What create says to these options; nothing is kept.
  static Outcome create_outcome(const std::string& name, const Options& given) {
    const Options options = with_bundle(name, given);
    hn_instance* instance = nullptr;
    ErrorBuffer error;
    const hn_plugin_v1& plugin = entry(name);
    const hn_status status = plugin.create(
        &fake_host(), reinterpret_cast<const hn_config*>(&options), &instance, error.get());
    if (instance != nullptr) plugin.destroy(instance);
    return {status, error.text()};
  }

  explicit Reward(const std::string& name, Options options = {})
      : options_(with_bundle(name, std::move(options))), plugin_(entry(name)) {
    ErrorBuffer error;
    const auto* config = reinterpret_cast<const hn_config*>(&options_);
    check(plugin_.create(&fake_host(), config, &instance_, error.get()), error);
    table_ = static_cast<const hn_fn_v1*>(plugin_.get_interface(instance_, HN_FN_V1));
    cond_table_ = static_cast<const hn_cond_v1*>(plugin_.get_interface(instance_, HN_COND_V1));
    check(table_->open(instance_, str("score"), config, &fn_, error.get()), error);
  }
  ~Reward() {
    release_prompts();
    if (fn_ != nullptr) table_->close(fn_);
    if (instance_ != nullptr) plugin_.destroy(instance_);
  }
  Reward(const Reward&) = delete;
  Reward& operator=(const Reward&) = delete;

  Outcome set_prompts(const std::vector<std::string>& prompts) {
    release_prompts();
    RawPrompts texts(prompts);
    handles_.assign(prompts.size(), nullptr);
    ErrorBuffer error;
    const hn_status status = cond_table_->encode(instance_, texts.data(), texts.size(), kCpuStream,
                                                 handles_.data(), error.get());
    if (status != HN_OK) handles_.clear();
    return {status, error.text()};
  }

  // Everything of one forward and backward in one place; what a test leaves alone has its usual
  // value.
  struct Pass {
    std::vector<Tensor*> in, out, cotangent, grad;
    std::vector<std::uint8_t> accumulate;
    bool want_grad = false;
    std::uint32_t flags = 0;
    std::optional<std::size_t> n_cond;
  };
  Outcome run(const Pass& pass) {
    const std::vector<DLTensor> in = views(pass.in), out = views(pass.out),
                                cot = views(pass.cotangent), grad = views(pass.grad);
    const auto in_p = pointers(pass.in, in), out_p = pointers(pass.out, out),
               cot_p = pointers(pass.cotangent, cot), grad_p = pointers(pass.grad, grad);
    const std::vector<std::uint8_t> need(in.size(), pass.want_grad ? 1 : 0);
    hn_call call{};
    call.struct_size = sizeof call;
    call.flags = pass.flags | (pass.want_grad ? HN_CALL_WANT_GRAD : 0u);
    call.stream = kCpuStream;
    call.cond = handles_.data();
    call.n_cond = pass.n_cond.value_or(handles_.size());
    call.in = in_p.data();
    call.n_in = in_p.size();
    call.out = out_p.data();
    call.n_out = out_p.size();
    call.need_grad = need.data();
    ErrorBuffer error;
    hn_saved* saved = nullptr;
    hn_status status = table_->forward(fn_, &call, &saved, error.get());
    if (status != HN_OK) {
      EXPECT_EQ(saved, nullptr);
      return {status, error.text()};
    }
    EXPECT_EQ(saved != nullptr, pass.want_grad);
    if (saved == nullptr) return {};
    hn_vjp vjp{};
    vjp.struct_size = sizeof vjp;
    vjp.stream = kCpuStream;
    vjp.cotangent = cot_p.data();
    vjp.n_out = cot_p.size();
    vjp.grad = grad_p.data();
    vjp.n_in = grad_p.size();
    vjp.accumulate = pass.accumulate.empty() ? nullptr : pass.accumulate.data();
    status = table_->backward(fn_, saved, &vjp, error.get());
    table_->saved_release(fn_, saved, kCpuStream);
    return {status, error.text()};
  }

  // The usual case: scores of contiguous images.
  std::vector<float> score(Tensor image) {
    Tensor score({image.shape[0]});
    const Outcome outcome = run({.in = {&image},
                                 .out = {&score},
                                 .cotangent = {},
                                 .grad = {},
                                 .accumulate = {},
                                 .n_cond = {}});
    if (outcome.status != HN_OK) throw Error(outcome.status, outcome.text);
    return score.data;
  }
  // Scores, and the gradient of their sum with respect to the images.
  std::pair<std::vector<float>, std::vector<float>> score_and_gradient(Tensor image,
                                                                       std::uint32_t flags = 0) {
    Tensor score({image.shape[0]}), ones({image.shape[0]}, 1.0f), grad(image.shape);
    const Outcome outcome = run({.in = {&image},
                                 .out = {&score},
                                 .cotangent = {&ones},
                                 .grad = {&grad},
                                 .accumulate = {},
                                 .want_grad = true,
                                 .flags = flags,
                                 .n_cond = {}});
    if (outcome.status != HN_OK) throw Error(outcome.status, outcome.text);
    return {score.data, grad.data};
  }

  const hn_fn_v1& table() const { return *table_; }
  const hn_cond_v1* cond_table() const { return cond_table_; }
  const hn_plugin_v1& plugin() const { return plugin_; }
  hn_fn* fn() const { return fn_; }
  hn_instance* instance() const { return instance_; }
  hn_cond* handle(std::size_t i) const { return handles_.at(i); }

 private:
  static std::vector<DLTensor> views(const std::vector<Tensor*>& tensors) {
    std::vector<DLTensor> v;
    for (Tensor* t : tensors) v.push_back(t != nullptr ? t->view() : DLTensor{});
    return v;
  }
  static std::vector<const DLTensor*> pointers(const std::vector<Tensor*>& tensors,
                                               const std::vector<DLTensor>& v) {
    std::vector<const DLTensor*> p;
    for (std::size_t i = 0; i < v.size(); ++i) p.push_back(tensors[i] != nullptr ? &v[i] : nullptr);
    return p;
  }
  void release_prompts() {
    for (hn_cond* h : handles_) cond_table_->release(instance_, h, kCpuStream);
    handles_.clear();
  }

  Options options_;
  const hn_plugin_v1& plugin_;
  const hn_fn_v1* table_ = nullptr;
  const hn_cond_v1* cond_table_ = nullptr;
  hn_instance* instance_ = nullptr;
  hn_fn* fn_ = nullptr;
  std::vector<hn_cond*> handles_;
};

// max |got - want| / max |want|: the measure of every parity table.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < want.size() && i < got.size(); ++i) {
    const double d = std::abs(static_cast<double>(got[i]) - want[i]);
    if (!(d <= worst)) worst = d;  // a NaN stays
    scale = std::max(scale, std::abs(static_cast<double>(want[i])));
  }
  return scale > 0 ? worst / scale : worst;
}

}  // namespace hn::test
