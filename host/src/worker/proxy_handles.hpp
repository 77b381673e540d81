// What a proxy hands out: prompts, functions and what forwards kept.
#pragma once

#include <hn/cpp/plugin.hpp>
#include <memory>
#include <string>
#include <vector>

#include "worker/proxy_instance.hpp"

namespace hn::worker {

// A prompt as it came, so that its handle can be made again in a worker that was started again.
class ProxyCond final : public Cond {
 public:
  ProxyCond(ProxyInstance& instance, const Prompt& prompt);
  ~ProxyCond() override;
  std::uint64_t size_bytes() const override;

  // Its tensors are packed by `packing`; the texts are those of the prompt.
  PromptArgs args(Packing& packing) const;
  // In the order of args().tensors.
  void fill(const PromptArgs& args, std::byte* block) const;

  mutable std::uint64_t handle = 0, generation = 0;  // in the worker; see ProxyInstance::need_cond
  std::uint64_t worker_bytes = 0;

 private:
  struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape, strides;
    DLDataType dtype;
    std::vector<char> data;
    DLTensor view() const;
  };
  ProxyInstance& instance_;
  std::string text_, negative_, json_;
  std::vector<Tensor> tensors_;
};

class ProxySaved final : public Saved {
 public:
  ProxySaved(ProxyInstance& instance, std::uint64_t id, std::uint64_t in_generation,
             BlockPool::Lease kept)
      : handle(id), generation(in_generation), instance_(instance), block_(std::move(kept)) {}
  ~ProxySaved() override;

  const std::uint64_t handle, generation;

 private:
  ProxyInstance& instance_;
  BlockPool::Lease block_;  // the plugin may read the inputs until it is released
};

class ProxyFunction final : public Function {
 public:
  ProxyFunction(ProxyInstance& instance, std::string_view name, const Config& config);
  ~ProxyFunction() override;

  std::vector<std::vector<std::int64_t>> shapes(const Call& call) override;
  hn_plan plan(const Call& call) override;
  std::unique_ptr<Saved> forward(const Call& call) override;
  void backward(Saved& saved, const hn_vjp& vjp) override;

 private:
  Opened open_now();
  // The worker with this function in it.
  void need();
  CallArgs shapes_of(const Call& call, bool outputs);
  std::string named(const char* call) const { return call + (" of " + name_); }

  ProxyInstance& instance_;
  std::string name_;
  OptionMemo options_;
  Opened opened_;
  std::uint64_t handle_ = 0, generation_ = 0;
};

}  // namespace hn::worker
