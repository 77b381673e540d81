// The instance behind proxy_entry, with its functions, saved handles and prompts.
#pragma once

#include <hn/cpp/plugin.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/connection.hpp"
#include "worker/option_memo.hpp"
#include "worker/tensors.hpp"

namespace hn::worker {

// From the options of create; reads the bundle's manifest. HN_UNSUPPORTED for a device that is not
// the CPU.
WorkerSpec worker_spec(const Config& config);

class ProxyCond;

class ProxyInstance final : public Instance {
 public:
  ProxyInstance(const Host& host, const Config& config);
  ~ProxyInstance() override;

  std::unique_ptr<Function> open(std::string_view name, const Config& config) override;
  bool has_cond() const override { return created_.cond; }
  std::uint32_t prompt_fields() const override { return created_.prompt_fields; }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts, hn_stream) override;
  std::uint64_t embedding_size() const override { return created_.embedding_size; }
  void embedding(const Cond& cond, hn_stream stream, const DLTensor& out) override;
  bool has_adapters() const override { return created_.adapter; }
  const std::vector<LayerSpec>& layers(std::string_view fn_name) override;
  std::vector<MemoryUse> memory_use() const override;
  void trim(hn_stream) override;

  Connection& connection() { return connection_; }
  // The worker, with this instance in it: started again where it is gone.
  void need_worker();
  // A handle that is alive in the running worker.
  std::uint64_t need_cond(const ProxyCond& cond);
  // Makes handles of prompts in the running worker; returns their bytes.
  std::vector<std::uint64_t> encode_now(std::span<const ProxyCond* const> conds);
  // Handles of the worker's generation are gone with it.
  bool lives(std::uint64_t generation) const {
    return connection_.running() && connection_.generation() == generation;
  }
  std::uint64_t next_handle() { return ++handles_; }
  // A block for the tensors of a call, marked; empty without tensors.
  BlockPool::Lease block_for(const Packing& packing);
  // Ends the worker where it wrote past a tensor.
  void require_whole(const Packing& packing, const BlockPool::Lease& block,
                     const std::string& what);

 private:
  void create();

  Connection connection_;
  OptionMemo options_;
  Created created_;
  bool made_ = false;          // create succeeded once: from then on it is made again
  std::uint64_t made_in_ = 0;  // the generation that has the instance
  std::uint64_t handles_ = 0;
  std::map<std::string, std::vector<LayerSpec>, std::less<>> layers_;
};

}  // namespace hn::worker
