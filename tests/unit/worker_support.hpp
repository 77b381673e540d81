// A plugin in a worker process, or in this one, asked through its C tables as a host asks it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hn/adapter.h>
#include <hn/fn.h>
#include <hn/memory.h>

#include <atomic>
#include <cstdlib>
#include <hn/cpp/client.hpp>
#include <hn/cpp/tensor.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "loader/library.hpp"
#include "support/float_views.hpp"
#include "unit/sdk_test_files.hpp"
#include "validate/services.hpp"
#include "worker/proxy.hpp"

namespace hn::test {

// What a plugin said, and whether it is to stop.
struct Listener {
  std::mutex mutex;
  std::vector<std::string> logs, progress;
  std::atomic<bool> stop{false};
  std::function<void()> on_progress;

  bool heard(const std::string& part) {
    const std::lock_guard lock(mutex);
    for (const std::string& log : logs)
      if (log.find(part) != std::string::npos) return true;
    return false;
  }
  hn_host_v1 table() {
    hn_host_v1 made = *validate::services();
    made.ctx = this;
    made.log = [](void* ctx, std::int32_t, hn_str text) {
      auto& self = *static_cast<Listener*>(ctx);
      const std::lock_guard lock(self.mutex);
      self.logs.emplace_back(view(text));
    };
    made.is_cancelled = [](void* ctx) { return static_cast<Listener*>(ctx)->stop ? 1 : 0; };
    made.progress = [](void* ctx, hn_str what, std::uint64_t, std::uint64_t) {
      auto& self = *static_cast<Listener*>(ctx);
      {
        const std::lock_guard lock(self.mutex);
        self.progress.emplace_back(view(what));
      }
      if (self.on_progress) self.on_progress();
    };
    return made;
  }
};

// float32, contiguous.
struct Numbers : test::Floats {
  Numbers(std::vector<std::int64_t> shape, std::vector<float> values)
      : Floats(shape, test::row_major(shape), std::move(values)) {}
};

inline std::vector<float> picture(std::int64_t batch, std::int64_t side) {
  std::vector<float> values(static_cast<std::size_t>(batch * 3 * side * side));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>((i * 7919) % 1009) / 1009.0f;
  return values;
}

class Client {
 public:
  Client(const hn_plugin_v1* entry, core::Options options) : entry_(entry), options_(options) {
    table_ = listener.table();
    ErrorBuffer error;
    check(entry_->create(&table_, validate::as_config(options_), &instance_, error.get()), error);
    fn_ = interface<hn_fn_v1>(HN_FN_V1);
    cond_ = interface<hn_cond_v1>(HN_COND_V1);
    hn_fn* opened = nullptr;
    check(fn_->open(instance_, HN_STR_OF("score"), validate::as_config(options_), &opened,
                    error.get()),
          error);
    opened_ = opened;
  }
  ~Client() {
    for (hn_cond* each : handles_) cond_->release(instance_, each, kCpu);
    if (fn_ != nullptr) fn_->close(opened_);
    entry_->destroy(instance_);
  }
  Client(const Client&) = delete;

  template <class Table>
  const Table* interface(const char* id) {
    return static_cast<const Table*>(entry_->get_interface(instance_, id));
  }
  void encode(const std::string& text, const std::string& negative = "",
              const Numbers* mask = nullptr) {
    hn_prompt prompt{};
    prompt.text = str(text);
    prompt.negative = str(negative);
    const hn_named_tensor named{HN_STR_OF("mask"), mask == nullptr ? nullptr : &mask->tensor};
    if (mask != nullptr) {
      prompt.tensors = &named;
      prompt.n_tensors = 1;
    }
    RawPrompts prompts;
    prompts.add(prompt);
    hn_cond* handle = nullptr;
    ErrorBuffer error;
    check(cond_->encode(instance_, prompts.data(), 1, kCpu, &handle, error.get()), error);
    handles_.push_back(handle);
  }

  // Scores; with want_grad, grads is added to or overwritten.
  std::vector<float> score(std::int64_t batch, std::int64_t side,
                           std::vector<float>* grad = nullptr, bool accumulate = false,
                           std::vector<float>* column = nullptr) {
    Numbers image({batch, 3, side, side}, picture(batch, side));
    Numbers out({batch}, std::vector<float>(static_cast<std::size_t>(batch), -99));
    Numbers more({batch}, std::vector<float>(static_cast<std::size_t>(batch), -99));
    const DLTensor* in[] = {&image.tensor};
    const DLTensor* outs[] = {&out.tensor, column == nullptr ? nullptr : &more.tensor};
    const std::uint8_t need[] = {1};
    hn_call call{};
    call.struct_size = sizeof call;
    call.stream = kCpu;
    call.cond = handles_.data();
    call.n_cond = handles_.size();
    call.in = in;
    call.n_in = 1;
    call.out = outs;
    call.n_out = column == nullptr ? 1 : 2;
    if (grad != nullptr) {
      call.flags = HN_CALL_WANT_GRAD;
      call.need_grad = need;
    }
    ErrorBuffer error;
    hn_saved* saved = nullptr;
    check(fn_->forward(opened_, &call, &saved, error.get()), error);
    if (column != nullptr) *column = more.data;
    if (grad == nullptr) return out.data;
    if (before_backward) before_backward();
    Numbers cotangent({batch}, std::vector<float>(static_cast<std::size_t>(batch), 0.5f));
    Numbers gradient({batch, 3, side, side}, *grad);
    const DLTensor* cotangents[] = {&cotangent.tensor};
    const DLTensor* grads[] = {&gradient.tensor};
    const std::uint8_t add[] = {1};
    hn_vjp vjp{};
    vjp.struct_size = sizeof vjp;
    vjp.stream = kCpu;
    vjp.cotangent = cotangents;
    vjp.n_out = 1;
    vjp.grad = grads;
    vjp.n_in = 1;
    if (accumulate) vjp.accumulate = add;
    const hn_status status = fn_->backward(opened_, saved, &vjp, error.get());
    fn_->saved_release(opened_, saved, kCpu);
    check(status, error);
    *grad = gradient.data;
    return out.data;
  }

  Listener listener;
  std::function<void()> before_backward;
  hn_instance* raw() { return instance_; }
  const hn_cond_v1* cond() { return cond_; }
  hn_cond* handle(std::size_t i) { return handles_.at(i); }
  static constexpr hn_stream kCpu{kDLCPU, 0, 0};

 private:
  static hn_str HN_STR_OF(const char* text) { return {text, std::char_traits<char>::length(text)}; }

  hn_host_v1 table_{};
  const hn_plugin_v1* entry_;
  core::Options options_;
  hn_instance* instance_ = nullptr;
  const hn_fn_v1* fn_ = nullptr;
  const hn_cond_v1* cond_ = nullptr;
  hn_fn* opened_ = nullptr;
  std::vector<hn_cond*> handles_;
};

inline core::Options options_for(const std::filesystem::path& bundle, core::Options more = {}) {
  more["bundle"] = bundle.string();
  return more;
}

// In a worker: what Host::open_plugin makes of a placement, and the options that go with it.
struct InWorker {
  const hn_plugin_v1* entry;
  core::Options options;
};
inline InWorker in_worker(const std::filesystem::path& bundle, core::Options more = {},
                          const core::PluginPlace& place = {}, bool sandbox = false) {
  ::setenv("HN_WORKER", HN_WORKER_PROGRAM, 1);
  const core::Plugin plugin = worker::proxy_plugin(host::read_manifest(bundle), place, sandbox);
  for (const auto& [key, value] : plugin.options) more[key] = value;
  return {plugin.entry, options_for(bundle, std::move(more))};
}

inline const std::filesystem::path kWild =
    std::filesystem::path(HN_BUILD_DIR) / "tests/plugins/wild.hnp";
inline const std::filesystem::path kRedness = std::filesystem::path(HN_PLUGIN_DIR) / "redness.hnp";

}  // namespace hn::test
