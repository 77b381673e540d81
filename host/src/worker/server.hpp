// What a worker process holds: the opened plugin, its handles by the host's numbers, the blocks.
#pragma once

#include <hn/adapter.h>
#include <hn/cond.h>
#include <hn/fn.h>
#include <hn/memory.h>
#include <hn/plugin.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/blocks.hpp"
#include "worker/messages.hpp"

namespace hn::worker {

// One call as the plugin sees it; the plugin may read it until saved_release.
struct PluginCall {
  std::deque<TensorRef> refs;  // shapes and strides; a deque: what it holds does not move
  std::deque<DLTensor> views;
  std::vector<const DLTensor*> in, out;
  std::vector<const hn_cond*> cond;
  std::vector<std::uint8_t> need_grad;
  hn_call raw{};
};

class Server {
 public:
  // confined: called once, when the limits and the sandbox of the start are in force and no code of
  // the plugin has run yet.
  Server(Channel& channel, std::function<void()> confined);

  // Answers one request. Errors of the plugin go into the reply; HN_DATA_LOSS for a host that
  // breaks the protocol.
  void handle(Channel::Received received);

 private:
  struct Saved {
    hn_fn* fn;
    hn_saved* raw;
    std::unique_ptr<PluginCall> call;
  };

  // The body of the Reply; one for each kind of request.
  std::string answer(Start&);
  std::string answer(Create&);
  std::string answer(Destroy&);
  std::string answer(Open&);
  std::string answer(Close&);
  std::string answer(Plan&);
  std::string answer(Shapes&);
  std::string answer(Forward&);
  std::string answer(Backward&);
  std::string answer(SavedRelease&);
  std::string answer(Encode&);
  std::string answer(CondRelease&);
  std::string answer(Embedding&);
  std::string answer(Layers&);
  std::string answer(AskMemory&);
  std::string answer(Trim&);
  std::string answer(Audit&);
  template <class Other>
  std::string answer(Other&);  // not a request
  void take_block(const NewBlock& block, const Descriptor& file);
  const Mapping& block_of(std::uint32_t id) const;
  const DLTensor* view(const std::optional<TensorRef>& ref, std::uint32_t in_block, bool data,
                       PluginCall& call) const;
  std::unique_ptr<PluginCall> call_of(CallArgs& args, bool data);
  hn_fn* function(std::uint64_t id) const;
  hn_cond* prompt(std::uint64_t id) const;
  // Runs a call into the plugin: exceptions, and what it changed around it, become errors.
  enum class Watch { kQuick, kWhole };
  template <class Body>
  void run(Watch watch, bool computes, const char* what, Body&& body);

  // ---- what the plugin may ask of its host (services.cpp)
  friend struct Services;
  void fill_table();
  const hn_config* as_config() { return reinterpret_cast<const hn_config*>(this); }
  const Answer& option(OptionType type, const char* key);

  Channel& channel_;
  std::function<void()> confined_;
  hn_host_v1 host_{};
  bool started_ = false;
  Mapping control_;
  const hn_plugin_v1* plugin_ = nullptr;
  hn_instance* instance_ = nullptr;
  const hn_fn_v1* fn_ = nullptr;
  const hn_cond_v1* cond_ = nullptr;
  const hn_adapter_v1* adapter_ = nullptr;
  const hn_memory_v1* memory_ = nullptr;
  std::map<std::uint32_t, Mapping> blocks_;
  std::map<std::uint64_t, hn_fn*> functions_;
  std::map<std::uint64_t, Saved> saved_;
  std::map<std::uint64_t, hn_cond*> prompts_;
  std::mutex asking_;
  std::map<std::pair<OptionType, std::string>, Answer> options_;  // of the call that runs
};

}  // namespace hn::worker
