#include "worker/proxy_instance.hpp"

#include <algorithm>

#include "loader/manifest.hpp"
#include "support/cat.hpp"
#include "worker/proxy_handles.hpp"
#include "worker/readable_files.hpp"

namespace hn::worker {
namespace {

using host::cat;

WorkerServices services_of(const Host& host) {
  WorkerServices services;
  services.log = [host](std::int32_t level, const std::string& text) { host.log(level, text); };
  services.progress = [host](const Progress& p) { host.progress(p.what, p.done, p.total); };
  services.cancelled = [host] { return host.cancelled(); };
  return services;
}

// While a create or open call runs, its options are at hand.
class OptionScope {
 public:
  OptionScope(WorkerServices& services, OptionMemo& memo, const Config* config)
      : services_(services) {
    services_.option = [&memo, config](OptionType type, const std::string& key) {
      return config != nullptr ? memo.ask(*config, type, key) : memo.again(type, key);
    };
  }
  ~OptionScope() { services_.option = {}; }
  OptionScope(const OptionScope&) = delete;
  OptionScope& operator=(const OptionScope&) = delete;

 private:
  WorkerServices& services_;
};

}  // namespace

WorkerSpec worker_spec(const Config& config) {
  const std::string bundle = config.str("bundle", "");
  if (bundle.empty())
    throw Error(HN_INVALID_ARGUMENT, "[worker] the option bundle is missing: which plugin is it?");
  const host::Manifest manifest = host::read_manifest(bundle);
  const std::string device = config.str("device", "cpu");
  if (device != "cpu")
    throw Error(HN_UNSUPPORTED,
                cat("plugin ", manifest.name, ": device '", device,
                    "': in a worker process plugins "
                    "run on the CPU alone in this version; say isolation = \"none\", or device = "
                    "\"cpu\" in its options"));
  WorkerSpec spec;
  spec.plugin = manifest.name;
  spec.bundle = manifest.bundle.string();
  spec.library_sha256 = manifest.library_sha256;
  spec.sandbox = config.boolean("worker.sandbox", false);
  spec.timeout_seconds = config.f64("worker.timeout", 0);
  spec.memory_bytes = static_cast<std::uint64_t>(config.i64("worker.memory", 0));
  spec.cpu_seconds = static_cast<std::uint64_t>(config.i64("worker.cpu_seconds", 0));
  spec.threads = config.i64("threads", config.i64("worker.threads", 0));
  spec.library_path = library_path_for(manifest);
  if (spec.sandbox) spec.readable = readable_files(manifest, config, spec.library_path);
  return spec;
}

ProxyInstance::ProxyInstance(const Host& host, const Config& config)
    : Instance(host), connection_(worker_spec(config), services_of(host)) {
  const OptionScope scope(connection_.services(), options_, &config);
  create();
  made_ = true;
}

ProxyInstance::~ProxyInstance() {
  // Its log is heard until here; what it does with its time is not waited for for ever.
  (void)guard(nullptr, [&] {
    if (lives(made_in_)) connection_.ask(Destroy{}, "destroy");
  });
  connection_.stop();
}

void ProxyInstance::create() {
  connection_.start();
  Created created;
  try {
    created = connection_.ask_for<Created>(Create{}, "create");
  } catch (...) {
    connection_.stop();
    throw;
  }
  created_ = created;
  made_in_ = connection_.generation();
}

void ProxyInstance::need_worker() {
  if (lives(made_in_)) return;
  host().log(HN_LOG_WARNING,
             cat("plugin ", connection_.spec().plugin, ": its worker is started again (start ",
                 connection_.generation() + 1, ")"));
  const OptionScope scope(connection_.services(), options_, nullptr);
  const Created before = created_;
  create();
  if (created_.cond == before.cond && created_.adapter == before.adapter &&
      created_.prompt_fields == before.prompt_fields)
    return;
  created_ = before;
  connection_.lose(HN_INTERNAL, "has other interfaces", "create",
                   "than before it was started again");
}

std::unique_ptr<Function> ProxyInstance::open(std::string_view name, const Config& config) {
  need_worker();
  return std::make_unique<ProxyFunction>(*this, name, config);
}

std::vector<std::unique_ptr<Cond>> ProxyInstance::encode(std::span<const Prompt> prompts,
                                                         hn_stream) {
  std::vector<std::unique_ptr<Cond>> made;
  std::vector<const ProxyCond*> raw;
  for (const Prompt& prompt : prompts) {
    auto cond = std::make_unique<ProxyCond>(*this, prompt);
    raw.push_back(cond.get());
    made.push_back(std::move(cond));
  }
  need_worker();
  const std::vector<std::uint64_t> bytes = encode_now(raw);
  for (std::size_t i = 0; i < made.size(); ++i)
    static_cast<ProxyCond&>(*made[i]).worker_bytes = bytes[i];
  return made;
}

std::vector<std::uint64_t> ProxyInstance::encode_now(std::span<const ProxyCond* const> conds) {
  Encode request;
  Packing packing;
  for (const ProxyCond* cond : conds) {
    request.prompts.push_back(cond->args(packing));
    request.prompts.back().cond = next_handle();
  }
  const BlockPool::Lease block = block_for(packing);
  request.block = block.id();
  for (std::size_t i = 0; i < conds.size(); ++i)
    if (block.id() != 0) conds[i]->fill(request.prompts[i], block.data());
  const auto made = connection_.ask_for<Encoded>(request, "encode");
  if (made.bytes.size() != conds.size())
    connection_.lose(HN_UNAVAILABLE, "sent another number of handles", "encode",
                     cat(made.bytes.size(), " for ", conds.size(), " prompts"));
  require_whole(packing, block, "encode");
  for (std::size_t i = 0; i < conds.size(); ++i) {
    conds[i]->handle = request.prompts[i].cond;
    conds[i]->generation = connection_.generation();
  }
  return made.bytes;
}

std::uint64_t ProxyInstance::need_cond(const ProxyCond& cond) {
  if (!lives(cond.generation)) {
    const ProxyCond* one = &cond;
    encode_now({&one, 1});
  }
  return cond.handle;
}

void ProxyInstance::embedding(const Cond& cond, hn_stream, const DLTensor& out) {
  need_worker();
  Embedding request;
  request.cond = need_cond(static_cast<const ProxyCond&>(cond));
  Packing packing;
  request.out = packing.add(out, "embedding");
  const BlockPool::Lease block = block_for(packing);
  request.block = block.id();
  connection_.ask(request, "embedding");
  require_whole(packing, block, "embedding");
  copy_out(block.data(), request.out, out);
}

const std::vector<LayerSpec>& ProxyInstance::layers(std::string_view fn_name) {
  const auto known = layers_.find(fn_name);
  if (known != layers_.end()) return known->second;
  need_worker();
  std::vector<LayerSpec> all;
  for (LayerInfo& l : connection_.ask_for<LayerList>(Layers{std::string(fn_name)}, "layers").layers)
    all.push_back({std::move(l.name), l.kind, l.in_features, l.out_features, l.kernel_h, l.kernel_w,
                   l.groups});
  return layers_.emplace(fn_name, std::move(all)).first->second;
}

std::vector<hn::MemoryUse> ProxyInstance::memory_use() const {
  std::vector<hn::MemoryUse> all;
  auto& self = const_cast<ProxyInstance&>(*this);  // asking changes nothing that can be seen
  if (!created_.memory || !lives(made_in_)) return all;
  for (const DeviceUse& use : self.connection_.ask_for<MemoryUses>(AskMemory{}, "use").uses)
    all.push_back({{static_cast<DLDeviceType>(use.device_type), use.device_id}, use.bytes});
  return all;
}

void ProxyInstance::trim(hn_stream) {
  if (created_.memory && lives(made_in_)) connection_.ask(Trim{}, "trim");
}

BlockPool::Lease ProxyInstance::block_for(const Packing& packing) {
  BlockPool::Lease block = connection_.blocks()->take(packing.size());
  if (block.id() != 0) packing.mark(block.data());
  return block;
}

void ProxyInstance::require_whole(const Packing& packing, const BlockPool::Lease& block,
                                  const std::string& what) {
  if (block.id() == 0) return;
  if (const std::string name = packing.damaged(block.data()); !name.empty())
    connection_.lose(HN_UNAVAILABLE, "wrote outside of its tensors", what,
                     cat("beside ", name, "; its memory may be damaged, so it was ended"));
}

}  // namespace hn::worker
