#include "worker/server.hpp"

#include <hn/weights_audit.h>

#include <hn/cpp/client.hpp>
#include <type_traits>

#include "core/surroundings.hpp"
#include "loader/library.hpp"
#include "support/cat.hpp"
#include "worker/sandbox.hpp"
#include "worker/tensors.hpp"

namespace hn::worker {
namespace {

using host::cat;

constexpr hn_stream kCpu{kDLCPU, 0, 0};

[[noreturn]] void refuse(const std::string& text) {
  throw Error(HN_DATA_LOSS, "[worker protocol] " + text);
}

SlotInfo slot_info(const hn_slot& raw) {
  if (raw.ndim < 0 || raw.ndim > HN_MAX_DIMS || (raw.ndim > 0 && raw.shape == nullptr))
    throw Error(HN_UNSUPPORTED, cat("slot ", view(raw.name), ": expected a shape of at most ",
                                    HN_MAX_DIMS, " dimensions, got ", raw.ndim));
  return {std::string(view(raw.name)),
          std::string(view(raw.semantic)),
          raw.flags,
          raw.dtype.code,
          raw.dtype.bits,
          raw.grad_dtype.code,
          raw.grad_dtype.bits,
          raw.dtype.lanes,
          raw.grad_dtype.lanes,
          {raw.shape, raw.shape + raw.ndim}};
}

}  // namespace

Server::Server(Channel& channel, std::function<void()> confined)
    : channel_(channel), confined_(std::move(confined)) {
  fill_table();
}

void Server::handle(Channel::Received received) {
  Frame& frame = received.frame;
  if (const auto* block = std::get_if<NewBlock>(&frame.message)) {
    take_block(*block, received.file);
    return;
  }
  if (const auto* dropped = std::get_if<DropBlock>(&frame.message)) {
    blocks_.erase(dropped->block);
    return;
  }
  Reply reply;
  ErrorBuffer error;
  reply.status = guard(error.get(), [&] {
    reply.body = std::visit([&](auto& request) { return answer(request); }, frame.message);
  });
  if (reply.status != HN_OK) reply.error = error.text();
  channel_.send({frame.number, std::move(reply)});
}

template <class Other>
std::string Server::answer(Other&) {
  refuse("a worker is asked for what only it may send");
}

// ---- watching

template <class Body>
void Server::run(Watch watch, bool computes, const char* what, Body&& body) {
  const core::Surroundings before(watch == Watch::kWhole ? core::Surroundings::Depth::kWhole
                                                         : core::Surroundings::Depth::kQuick);
  ErrorBuffer error;
  hn_status status = HN_OK;
  const hn_status thrown = guard(error.get(), [&] { status = body(error.get()); });
  const std::string changed = before.restore();
  if (thrown != HN_OK) throw Error(thrown, cat("an exception left the plugin: ", error.text()));
  if (status != HN_OK) {
    const std::string text = error.text();
    throw Error(HN_KNOWN_STATUS(status), text.empty() ? "failed without a message" : text);
  }
  if (changed.empty()) return;
  if (computes)
    throw Error(HN_INTERNAL, cat("the plugin changed ", changed,
                                 " in its worker; it was put back, "
                                 "but the result depends on it"));
  channel_.send({0, Log{HN_LOG_WARNING, cat(what, ": the plugin changed ", changed,
                                            " in its worker; it was put back")}});
}

// ---- blocks and handles

void Server::take_block(const NewBlock& block, const Descriptor& file) {
  Mapping mapped = map_block(file, block.bytes);
  if (block.block == 0)
    control_ = std::move(mapped);
  else
    blocks_[block.block] = std::move(mapped);
}

const Mapping& Server::block_of(std::uint32_t id) const {
  const auto at = blocks_.find(id);
  if (at == blocks_.end()) refuse(cat("there is no block ", id));
  return at->second;
}

const DLTensor* Server::view(const std::optional<TensorRef>& ref, std::uint32_t in_block, bool data,
                             PluginCall& call) const {
  if (!ref) return nullptr;
  const TensorRef& kept = call.refs.emplace_back(*ref);
  const Mapping* block = data ? &block_of(in_block) : nullptr;
  return &call.views.emplace_back(view_of(kept, block != nullptr ? block->data() : nullptr,
                                          block != nullptr ? block->size() : 0));
}

hn_fn* Server::function(std::uint64_t id) const {
  const auto at = functions_.find(id);
  if (at == functions_.end()) refuse(cat("there is no function ", id));
  return at->second;
}

hn_cond* Server::prompt(std::uint64_t id) const {
  const auto at = prompts_.find(id);
  if (at == prompts_.end()) refuse(cat("there is no prompt ", id));
  return at->second;
}

std::unique_ptr<PluginCall> Server::call_of(CallArgs& args, bool data) {
  auto call = std::make_unique<PluginCall>();
  for (const auto& ref : args.in) call->in.push_back(view(ref, args.block, data, *call));
  for (const auto& ref : args.out) call->out.push_back(view(ref, args.block, data, *call));
  for (const std::uint64_t id : args.cond) call->cond.push_back(prompt(id));
  if (!args.need_grad.empty() && args.need_grad.size() != args.in.size())
    refuse("need_grad and the inputs differ in length");
  call->need_grad = args.need_grad;
  call->raw.struct_size = sizeof(hn_call);
  call->raw.flags = args.flags;
  call->raw.stream = kCpu;
  call->raw.cond = call->cond.data();
  call->raw.n_cond = call->cond.size();
  call->raw.in = call->in.data();
  call->raw.n_in = call->in.size();
  call->raw.out = call->out.data();
  call->raw.n_out = call->out.size();
  call->raw.need_grad = call->need_grad.empty() ? nullptr : call->need_grad.data();
  call->raw.rng_seed = args.rng_seed;
  call->raw.rng_offset = args.rng_offset;
  call->raw.saved_budget_bytes = args.saved_budget;
  return call;
}

// ---- the plugin

std::string Server::answer(Start& start) {
  if (start.protocol != kProtocol)
    throw Error(HN_UNSUPPORTED, cat("the host speaks version ", start.protocol,
                                    " of the worker protocol, this hnhost-worker version ",
                                    kProtocol, "; they have to come from one installation"));
  if (started_) refuse("it is started twice");
  started_ = true;
  set_limits({start.memory_bytes, start.cpu_seconds});
  Started started;
  if (start.sandbox) {
    SandboxReport report = enter_sandbox(start.readable);
    started = {std::move(report.in_force), std::move(report.missing)};
  }
  confined_();
  const host::Manifest manifest = host::read_manifest(start.bundle);
  if (manifest.library_sha256 != start.library_sha256)
    throw Error(HN_DATA_LOSS, cat("plugin ", manifest.name, ": the manifest ", start.bundle,
                                  "/plugin.toml changed since the host read it"));
  plugin_ = host::open_plugin_alone(manifest, [&](const std::string& text) {
              channel_.send({0, Log{HN_LOG_WARNING, text}});
            }).entry;
  return encode_body(started);
}

std::string Server::answer(Create&) {
  if (plugin_ == nullptr || instance_ != nullptr) refuse("create comes once, after the start");
  options_.clear();
  run(Watch::kWhole, false, "create",
      [&](hn_error* error) { return plugin_->create(&host_, as_config(), &instance_, error); });
  if (instance_ == nullptr) throw Error(HN_INTERNAL, "create succeeded without an instance");
  Created created;
  run(Watch::kQuick, false, "get_interface", [&](hn_error*) {
    const auto table = [&](const char* id) { return plugin_->get_interface(instance_, id); };
    fn_ = static_cast<const hn_fn_v1*>(table(HN_FN_V1));
    cond_ = static_cast<const hn_cond_v1*>(table(HN_COND_V1));
    adapter_ = static_cast<const hn_adapter_v1*>(table(HN_ADAPTER_V1));
    memory_ = static_cast<const hn_memory_v1*>(table(HN_MEMORY_V1));
    if (cond_ != nullptr) {
      created.prompt_fields = cond_->prompt_fields(instance_);
      created.embedding_size = cond_->embedding_size(instance_);
    }
    return HN_OK;
  });
  if (fn_ == nullptr) throw Error(HN_UNSUPPORTED, "the plugin has no " HN_FN_V1);
  created.cond = cond_ != nullptr;
  created.adapter = adapter_ != nullptr;
  created.memory = memory_ != nullptr;
  return encode_body(created);
}

std::string Server::answer(Destroy&) {
  if (instance_ == nullptr) refuse("there is no instance");
  run(Watch::kQuick, false, "destroy", [&](hn_error*) {
    plugin_->destroy(instance_);
    return HN_OK;
  });
  instance_ = nullptr;
  return {};
}

std::string Server::answer(Open& open) {
  if (instance_ == nullptr || functions_.contains(open.fn))
    refuse("open: no instance, or no new handle");
  options_.clear();
  hn_fn* fn = nullptr;
  run(Watch::kWhole, false, "open", [&](hn_error* error) {
    return fn_->open(instance_, str(open.name), as_config(), &fn, error);
  });
  functions_[open.fn] = fn;
  Opened opened;
  hn_fn_info info{};
  info.struct_size = sizeof info;
  run(Watch::kQuick, false, "info", [&](hn_error* error) { return fn_->info(fn, &info, error); });
  opened.flags = info.flags;
  opened.shapes = fn_->shapes != nullptr;
  for (const auto& [direction, n, slots] : {std::tuple(HN_SLOT_INPUT, info.n_in, &opened.in),
                                            {HN_SLOT_OUTPUT, info.n_out, &opened.out}})
    for (std::uint64_t i = 0; i < n; ++i) {
      hn_slot slot{};
      slot.struct_size = sizeof slot;
      run(Watch::kQuick, false, "slot",
          [&, d = direction](hn_error* error) { return fn_->slot(fn, d, i, &slot, error); });
      slots->push_back(slot_info(slot));
    }
  return encode_body(opened);
}

std::string Server::answer(Close& close) {
  hn_fn* fn = function(close.fn);
  functions_.erase(close.fn);
  run(Watch::kQuick, false, "close", [&](hn_error*) {
    fn_->close(fn);
    return HN_OK;
  });
  return {};
}

std::string Server::answer(Plan& plan) {
  hn_fn* fn = function(plan.call.fn);
  const auto call = call_of(plan.call, false);
  hn_plan out{};
  out.struct_size = sizeof out;
  run(Watch::kQuick, false, "plan",
      [&](hn_error* error) { return fn_->plan(fn, &call->raw, &out, error); });
  return encode_body(Planned{out.saved_bytes, out.peak_bytes});
}

std::string Server::answer(Shapes& shapes) {
  hn_fn* fn = function(shapes.call.fn);
  hn_fn_info info{};
  info.struct_size = sizeof info;
  run(Watch::kQuick, false, "info", [&](hn_error* error) { return fn_->info(fn, &info, error); });
  const auto call = call_of(shapes.call, false);
  std::vector<hn_shape> told(info.n_out);
  if (fn_->shapes == nullptr) throw Error(HN_UNSUPPORTED, "the plugin has no shapes");
  run(Watch::kQuick, false, "shapes", [&](hn_error* error) {
    return fn_->shapes(fn, &call->raw, told.data(), told.size(), error);
  });
  Shaped shaped;
  for (const hn_shape& shape : told) {
    if (shape.ndim < 0 || shape.ndim > HN_MAX_DIMS)
      throw Error(HN_INTERNAL, cat("shapes: an output of ", shape.ndim, " dimensions"));
    shaped.shapes.emplace_back(shape.dim, shape.dim + shape.ndim);
  }
  return encode_body(shaped);
}

std::string Server::answer(Forward& forward) {
  hn_fn* fn = function(forward.call.fn);
  if (saved_.contains(forward.saved)) refuse("forward: no new handle");
  auto call = call_of(forward.call, true);
  hn_saved* saved = nullptr;
  try {
    run(Watch::kQuick, true, "forward",
        [&](hn_error* error) { return fn_->forward(fn, &call->raw, &saved, error); });
  } catch (...) {
    // A plugin that succeeded and is refused all the same has kept something.
    if (saved != nullptr) fn_->saved_release(fn, saved, kCpu);
    throw;
  }
  if (saved != nullptr) saved_.emplace(forward.saved, Saved{fn, saved, std::move(call)});
  return encode_body(ForwardDone{saved != nullptr});
}

std::string Server::answer(Backward& backward) {
  const auto kept = saved_.find(backward.saved);
  if (kept == saved_.end()) refuse("backward: nothing was kept under this handle");
  PluginCall arrays;
  for (const auto& ref : backward.cotangent)
    arrays.out.push_back(view(ref, backward.block, true, arrays));
  for (const auto& ref : backward.grad)
    arrays.in.push_back(view(ref, backward.block, true, arrays));
  if (!backward.accumulate.empty() && backward.accumulate.size() != backward.grad.size())
    refuse("accumulate and the gradients differ in length");
  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  vjp.stream = kCpu;
  vjp.cotangent = arrays.out.data();
  vjp.n_out = arrays.out.size();
  vjp.grad = arrays.in.data();
  vjp.n_in = arrays.in.size();
  vjp.accumulate = backward.accumulate.empty() ? nullptr : backward.accumulate.data();
  run(Watch::kQuick, true, "backward", [&](hn_error* error) {
    return fn_->backward(kept->second.fn, kept->second.raw, &vjp, error);
  });
  return {};
}

std::string Server::answer(SavedRelease& release) {
  const auto kept = saved_.find(release.saved);
  if (kept == saved_.end()) refuse("saved_release: nothing was kept under this handle");
  const Saved saved = std::move(kept->second);
  saved_.erase(kept);
  run(Watch::kQuick, false, "saved_release", [&](hn_error*) {
    fn_->saved_release(saved.fn, saved.raw, kCpu);
    return HN_OK;
  });
  return {};
}

std::string Server::answer(Encode& encode) {
  if (cond_ == nullptr) refuse("encode: the plugin has no " HN_COND_V1);
  PluginCall arrays;
  std::deque<std::vector<hn_named_tensor>> named;
  RawPrompts prompts;
  for (const PromptArgs& args : encode.prompts) {
    if (prompts_.contains(args.cond)) refuse("encode: no new handle");
    std::vector<hn_named_tensor>& tensors = named.emplace_back();
    for (const NamedTensor& t : args.tensors)
      tensors.push_back({str(t.name), view(t.tensor, encode.block, true, arrays)});
    hn_prompt raw{};
    raw.text = str(args.text);
    raw.negative = str(args.negative);
    raw.json = str(args.json);
    raw.tensors = tensors.data();
    raw.n_tensors = tensors.size();
    prompts.add(raw);
  }
  std::vector<hn_cond*> handles(prompts.size(), nullptr);
  try {
    run(Watch::kWhole, true, "encode", [&](hn_error* error) {
      return cond_->encode(instance_, prompts.data(), prompts.size(), kCpu, handles.data(), error);
    });
  } catch (...) {
    for (hn_cond* handle : handles)
      if (handle != nullptr) cond_->release(instance_, handle, kCpu);
    throw;
  }
  Encoded encoded;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    prompts_[encode.prompts[i].cond] = handles[i];
    encoded.bytes.push_back(cond_->size_bytes(instance_, handles[i]));
  }
  return encode_body(encoded);
}

std::string Server::answer(CondRelease& release) {
  hn_cond* cond = prompt(release.cond);
  prompts_.erase(release.cond);
  run(Watch::kQuick, false, "release", [&](hn_error*) {
    cond_->release(instance_, cond, kCpu);
    return HN_OK;
  });
  return {};
}

std::string Server::answer(Embedding& embedding) {
  const hn_cond* cond = prompt(embedding.cond);
  PluginCall arrays;
  const DLTensor* out = view(embedding.out, embedding.block, true, arrays);
  run(Watch::kQuick, true, "embedding",
      [&](hn_error* error) { return cond_->embedding(instance_, cond, kCpu, out, error); });
  return {};
}

std::string Server::answer(Layers& layers) {
  if (adapter_ == nullptr) refuse("layers: the plugin has no " HN_ADAPTER_V1);
  std::uint64_t count = 0;
  run(Watch::kQuick, false, "layer_count", [&](hn_error* error) {
    return adapter_->layer_count(instance_, str(layers.fn), &count, error);
  });
  LayerList list;
  for (std::uint64_t i = 0; i < count; ++i) {
    hn_layer layer{};
    layer.struct_size = sizeof layer;
    run(Watch::kQuick, false, "layer", [&](hn_error* error) {
      return adapter_->layer(instance_, str(layers.fn), i, &layer, error);
    });
    list.layers.push_back({std::string(hn::view(layer.name)), layer.kind, layer.kernel_h,
                           layer.kernel_w, layer.groups, layer.in_features, layer.out_features});
  }
  return encode_body(list);
}

std::string Server::answer(AskMemory&) {
  MemoryUses uses;
  for (std::uint64_t i = 0; memory_ != nullptr && i < 64; ++i) {
    hn_memory_use use{};
    use.struct_size = sizeof use;
    hn_status status = HN_OK;
    run(Watch::kQuick, false, "use", [&](hn_error* error) {
      status = memory_->use(instance_, i, &use, error);
      return HN_OK;
    });
    if (status != HN_OK) break;
    uses.uses.push_back({use.device_type, use.device_id, use.bytes});
  }
  return encode_body(uses);
}

std::string Server::answer(Trim&) {
  run(Watch::kQuick, false, "trim", [&](hn_error*) {
    if (memory_ != nullptr) memory_->trim(instance_, kCpu);
    return HN_OK;
  });
  return {};
}

std::string Server::answer(Audit&) {
  if (plugin_ == nullptr) refuse("audit before the start");
  options_.clear();
  const auto* table = plugin_->get_plugin_interface == nullptr
                          ? nullptr
                          : static_cast<const hn_weights_audit_v1*>(
                                plugin_->get_plugin_interface(&host_, HN_WEIGHTS_AUDIT_V1));
  if (table == nullptr)
    throw Error(HN_UNSUPPORTED, "this plugin cannot check weights without loading them");
  const auto component = [](void* ctx, hn_str json) {
    (void)guard(nullptr, [&] {
      static_cast<Channel*>(ctx)->send({0, Component{std::string(hn::view(json))}});
    });
  };
  run(Watch::kWhole, false, "audit", [&](hn_error* error) {
    return table->audit(&host_, as_config(), &channel_, component, error);
  });
  return {};
}

}  // namespace hn::worker
