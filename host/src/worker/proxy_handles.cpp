#include "worker/proxy_handles.hpp"

#include "support/cat.hpp"

namespace hn::worker {
namespace {

using host::cat;

DLDataType dtype(std::uint8_t code, std::uint8_t bits, std::uint16_t lanes) {
  return {code, bits, lanes};
}

std::vector<SlotSpec> specs_of(const std::vector<SlotInfo>& slots) {
  std::vector<SlotSpec> specs;
  for (const SlotInfo& s : slots)
    specs.push_back({s.name, s.semantic, s.shape, s.flags, dtype(s.code, s.bits, s.lanes),
                     dtype(s.grad_code, s.grad_bits, s.grad_lanes)});
  return specs;
}

}  // namespace

// ---- prompts

ProxyCond::ProxyCond(ProxyInstance& instance, const Prompt& prompt)
    : instance_(instance),
      text_(prompt.text()),
      negative_(prompt.negative()),
      json_(prompt.json()) {
  for (const hn_named_tensor& named : prompt.tensors()) {
    Tensor& t = tensors_.emplace_back();
    t.name = view(named.name);
    Packing packing;  // its bytes alone, from the beginning
    TensorRef ref = packing.add(*named.tensor, cat("prompt tensor ", t.name));
    t.shape = ref.shape;
    t.strides = ref.strides;
    t.dtype = named.tensor->dtype;
    t.data.resize(packing.size() - ref.offset);
    ref.offset = 0;
    copy_in(*named.tensor, ref, reinterpret_cast<std::byte*>(t.data.data()));
  }
}

ProxyCond::~ProxyCond() {
  (void)guard(nullptr, [&] {
    if (instance_.lives(generation))
      instance_.connection().ask(CondRelease{handle}, "release of a prompt");
  });
}

std::uint64_t ProxyCond::size_bytes() const {
  std::uint64_t bytes = worker_bytes + text_.size() + negative_.size() + json_.size();
  for (const Tensor& t : tensors_) bytes += t.data.size();
  return bytes;
}

DLTensor ProxyCond::Tensor::view() const {
  DLTensor v{};
  v.data = const_cast<char*>(data.data());
  v.device = {kDLCPU, 0};
  v.ndim = static_cast<std::int32_t>(shape.size());
  v.dtype = dtype;
  v.shape = const_cast<std::int64_t*>(shape.data());
  v.strides = const_cast<std::int64_t*>(strides.data());
  return v;
}

PromptArgs ProxyCond::args(Packing& packing) const {
  PromptArgs args;
  args.text = text_;
  args.negative = negative_;
  args.json = json_;
  for (const Tensor& t : tensors_)
    args.tensors.push_back({t.name, packing.add(t.view(), cat("prompt tensor ", t.name))});
  return args;
}

void ProxyCond::fill(const PromptArgs& args, std::byte* block) const {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    copy_in(tensors_[i].view(), args.tensors[i].tensor, block);
}

// ---- saved

ProxySaved::~ProxySaved() {
  (void)guard(nullptr, [&] {
    if (instance_.lives(generation))
      instance_.connection().ask(SavedRelease{handle}, "saved_release");
  });
}

// ---- functions

ProxyFunction::ProxyFunction(ProxyInstance& instance, std::string_view name, const Config& config)
    : instance_(instance), name_(name) {
  WorkerServices& services = instance_.connection().services();
  services.option = [&](OptionType type, const std::string& key) {
    return options_.ask(config, type, key);
  };
  try {
    opened_ = open_now();
  } catch (...) {
    services.option = {};
    throw;
  }
  services.option = {};
  inputs_ = specs_of(opened_.in);
  outputs_ = specs_of(opened_.out);
  flags_ = opened_.flags;
}

ProxyFunction::~ProxyFunction() {
  (void)guard(nullptr, [&] {
    if (instance_.lives(generation_)) instance_.connection().ask(Close{handle_}, named("close"));
  });
}

Opened ProxyFunction::open_now() {
  Connection& connection = instance_.connection();
  const std::uint64_t handle = instance_.next_handle();
  const auto opened = connection.ask_for<Opened>(Open{handle, name_}, named("open"));
  for (const auto* slots : {&opened.in, &opened.out})
    for (const SlotInfo& slot : *slots)
      if (slot.shape.size() > HN_MAX_DIMS)
        connection.lose(HN_UNAVAILABLE, "described a slot of too many dimensions", named("open"),
                        slot.name);
  handle_ = handle;
  generation_ = connection.generation();
  return opened;
}

void ProxyFunction::need() {
  instance_.need_worker();
  if (instance_.lives(generation_)) return;
  WorkerServices& services = instance_.connection().services();
  services.option = [&](OptionType type, const std::string& key) {
    return options_.again(type, key);
  };
  Opened again;
  try {
    again = open_now();
  } catch (...) {
    services.option = {};
    throw;
  }
  services.option = {};
  if (!(again == opened_))
    instance_.connection().lose(HN_INTERNAL, "has other slots", named("open"),
                                "than before it was started again");
}

CallArgs ProxyFunction::shapes_of(const Call& call, bool outputs) {
  CallArgs args;
  args.fn = handle_;
  args.flags = call.raw().flags;
  args.rng_seed = call.raw().rng_seed;
  args.rng_offset = call.raw().rng_offset;
  args.saved_budget = call.raw().saved_budget_bytes;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const DLTensor* t = call.in(i);
    args.in.push_back(t == nullptr ? std::nullopt : std::optional(shape_only(*t)));
    if (call.raw().need_grad != nullptr)
      args.need_grad.push_back(i < call.raw().n_in ? call.raw().need_grad[i] : 0);
  }
  for (std::size_t o = 0; outputs && o < outputs_.size(); ++o) {
    const DLTensor* t = call.out(o);
    args.out.push_back(t == nullptr ? std::nullopt : std::optional(shape_only(*t)));
  }
  for (std::uint64_t c = 0; c < call.raw().n_cond; ++c)
    args.cond.push_back(instance_.need_cond(
        static_cast<const ProxyCond&>(*reinterpret_cast<const Cond*>(call.raw().cond[c]))));
  return args;
}

std::vector<std::vector<std::int64_t>> ProxyFunction::shapes(const Call& call) {
  if (!opened_.shapes) return Function::shapes(call);
  need();
  return instance_.connection()
      .ask_for<Shaped>(Shapes{shapes_of(call, false)}, named("shapes"))
      .shapes;
}

hn_plan ProxyFunction::plan(const Call& call) {
  need();
  const auto planned =
      instance_.connection().ask_for<Planned>(Plan{shapes_of(call, true)}, named("plan"));
  return {sizeof(hn_plan), 0, planned.saved_bytes, planned.peak_bytes};
}

std::unique_ptr<Saved> ProxyFunction::forward(const Call& call) {
  need();
  if (call.capturing())
    throw Error(HN_UNSUPPORTED, "[worker] a call to a worker process cannot be captured");
  Forward request{instance_.next_handle(), shapes_of(call, true)};
  Packing packing;
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (request.call.in[i])
      request.call.in[i] = packing.add(*call.in(i), "input " + inputs_[i].name);
  for (std::size_t o = 0; o < outputs_.size(); ++o)
    if (request.call.out[o])
      request.call.out[o] = packing.add(*call.out(o), "output " + outputs_[o].name);
  BlockPool::Lease block = instance_.block_for(packing);
  request.call.block = block.id();
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (request.call.in[i]) copy_in(*call.in(i), *request.call.in[i], block.data());

  const auto done = instance_.connection().ask_for<ForwardDone>(request, named("forward"));
  const std::uint64_t generation = instance_.connection().generation();
  instance_.require_whole(packing, block, named("forward"));
  for (std::size_t o = 0; o < outputs_.size(); ++o)
    if (request.call.out[o]) copy_out(block.data(), *request.call.out[o], *call.out(o));
  if (!done.saved) return nullptr;
  return std::make_unique<ProxySaved>(instance_, request.saved, generation, std::move(block));
}

void ProxyFunction::backward(Saved& saved, const hn_vjp& vjp) {
  auto& kept = static_cast<ProxySaved&>(saved);
  if (!instance_.lives(kept.generation))
    throw Error(HN_UNAVAILABLE,
                cat("plugin ", instance_.connection().spec().plugin, ": what forward of ", name_,
                    " kept for its backward was lost "
                    "with the worker process"));
  Backward request;
  request.saved = kept.handle;
  Packing packing;
  for (std::uint64_t o = 0; o < vjp.n_out; ++o) {
    const DLTensor* t = vjp.cotangent[o];
    request.cotangent.push_back(
        t == nullptr ? std::nullopt
                     : std::optional(packing.add(*t, "cotangent of " + outputs_[o].name)));
  }
  for (std::uint64_t i = 0; i < vjp.n_in; ++i) {
    const DLTensor* t = vjp.grad[i];
    request.grad.push_back(t == nullptr
                               ? std::nullopt
                               : std::optional(packing.add(*t, "gradient of " + inputs_[i].name)));
    if (vjp.accumulate != nullptr) request.accumulate.push_back(vjp.accumulate[i]);
  }
  const BlockPool::Lease block = instance_.block_for(packing);
  request.block = block.id();
  for (std::uint64_t o = 0; o < vjp.n_out; ++o)
    if (request.cotangent[o]) copy_in(*vjp.cotangent[o], *request.cotangent[o], block.data());
  // What is added to crosses too, so that the sum is made in the same order as in this process.
  for (std::uint64_t i = 0; i < vjp.n_in; ++i)
    if (request.grad[i] && vjp.accumulate != nullptr && vjp.accumulate[i] != 0)
      copy_in(*vjp.grad[i], *request.grad[i], block.data());

  instance_.connection().ask(request, named("backward"));
  instance_.require_whole(packing, block, named("backward"));
  for (std::uint64_t i = 0; i < vjp.n_in; ++i)
    if (request.grad[i]) copy_out(block.data(), *request.grad[i], *vjp.grad[i]);
}

}  // namespace hn::worker
