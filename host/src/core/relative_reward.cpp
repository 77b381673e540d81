#include "core/relative_reward.hpp"

#include <ATen/ATen.h>
#include <hn/cond.h>
#include <hn/memory.h>

#include <hn/cpp/client.hpp>
#include <hn/cpp/plugin.hpp>
#include <hn/torch/tensor.hpp>
#include <list>
#include <mutex>

#include "core/host_plugin.hpp"

namespace hn {
namespace {

using core::RelativePrompts;

constexpr const char* kEntryOption = "relative.entry";

struct Entry {
  const hn_plugin_v1* inner = nullptr;
  RelativePrompts prompts;
  std::string id, version;
  hn_plugin_v1 raw{};
};

// A list: what it holds does not move.
std::list<Entry>& entries() {
  static std::list<Entry> all;
  return all;
}
std::mutex& entries_mutex() {
  static std::mutex mutex;
  return mutex;
}

const Entry& entry_of(const Config& config) {
  const std::int64_t index = config.i64(kEntryOption, -1);
  const std::lock_guard lock(entries_mutex());
  if (index < 0 || index >= static_cast<std::int64_t>(entries().size()))
    throw Error(HN_INTERNAL, "[relative] the option relative.entry is not the host's");
  return *std::next(entries().begin(), index);
}

std::string filled(const std::string& form, std::string_view text) {
  const std::size_t at = form.find("{}");
  return form.substr(0, at) + std::string(text) + form.substr(at + 2);
}

template <class Call>
void ask(Call&& call) {
  ErrorBuffer error;
  check(call(error.get()), error);
}

// The opened inner plugin.
struct Inner {
  const hn_plugin_v1* entry = nullptr;
  hn_instance* raw = nullptr;
  const hn_fn_v1* fn = nullptr;
  const hn_cond_v1* cond = nullptr;
  const hn_memory_v1* memory = nullptr;

  Inner(const Entry& of, const Host& host, const Config& config) : entry(of.inner) {
    ask([&](hn_error* e) { return entry->create(host.raw(), config.raw(), &raw, e); });
    fn = static_cast<const hn_fn_v1*>(entry->get_interface(raw, HN_FN_V1));
    cond = static_cast<const hn_cond_v1*>(entry->get_interface(raw, HN_COND_V1));
    memory = static_cast<const hn_memory_v1*>(entry->get_interface(raw, HN_MEMORY_V1));
  }
  ~Inner() { entry->destroy(raw); }
  Inner(const Inner&) = delete;
  Inner& operator=(const Inner&) = delete;
};

// Both forms of one prompt.
class RelativeCond final : public Cond {
 public:
  RelativeCond(Inner& inner, hn_cond* good_form, hn_cond* bad_form)
      : good(good_form), bad(bad_form), inner_(inner) {}
  ~RelativeCond() override {
    for (hn_cond* each : {good, bad}) inner_.cond->release(inner_.raw, each, last_);
  }
  std::uint64_t size_bytes() const override {
    return inner_.cond->size_bytes(inner_.raw, good) + inner_.cond->size_bytes(inner_.raw, bad);
  }
  void last_use(hn_stream stream) noexcept override { last_ = stream; }

  hn_cond* const good;
  hn_cond* const bad;

 private:
  Inner& inner_;
  hn_stream last_{};
};

// One forward of the inner function, with the arrays that it may read until it is released.
struct Form {
  std::vector<const hn_cond*> cond;
  std::vector<const DLTensor*> out;
  hn_saved* saved = nullptr;
};

class RelativeSaved final : public Saved {
 public:
  RelativeSaved(const hn_fn_v1& table, hn_fn* fn) : table_(table), fn_(fn) {}
  ~RelativeSaved() override {
    for (Form* form : {&good, &bad})
      if (form->saved != nullptr) table_.saved_release(fn_, form->saved, last_);
  }
  void last_use(hn_stream stream) noexcept override { last_ = stream; }

  Form good, bad;
  at::Tensor bad_score;  // float32 [B]
  DLTensor bad_view{};

 private:
  const hn_fn_v1& table_;
  hn_fn* fn_;
  hn_stream last_{};
};

class RelativeScore final : public Function {
 public:
  RelativeScore(Inner& inner, std::string_view name, const Config& config) : inner_(inner) {
    ask([&](hn_error* e) { return inner.fn->open(inner.raw, str(name), config.raw(), &fn_, e); });
    try {
      read_slots();
    } catch (...) {
      inner.fn->close(fn_);
      throw;
    }
  }
  ~RelativeScore() override { inner_.fn->close(fn_); }

  std::unique_ptr<Saved> forward(const Call& call) override {
    auto saved = std::make_unique<RelativeSaved>(*inner_.fn, fn_);
    const DLTensor* out = call.out(0);
    const at::Tensor score = tensor_view(*out);
    saved->bad_score = at::empty_like(score);
    saved->bad_view = borrow(saved->bad_score);
    run(call, saved->good, out, &RelativeCond::good);
    run(call, saved->bad, &saved->bad_view, &RelativeCond::bad);
    score.sub_(saved->bad_score);
    return call.want_grad() ? std::move(saved) : nullptr;
  }

  void backward(Saved& kept, const hn_vjp& vjp) override {
    auto& saved = static_cast<RelativeSaved&>(kept);
    std::vector<const DLTensor*> cotangents(n_out_, nullptr);
    hn_vjp inner = vjp;
    inner.cotangent = cotangents.data();
    inner.n_out = n_out_;
    const DLTensor* cotangent = vjp.n_out > 0 ? vjp.cotangent[0] : nullptr;
    cotangents[score_] = cotangent;
    ask([&](hn_error* e) { return inner_.fn->backward(fn_, saved.good.saved, &inner, e); });
    if (cotangent == nullptr) return;
    const at::Tensor negative = tensor_view(*cotangent).neg();
    const DLTensor view = borrow(negative);
    cotangents[score_] = &view;
    const std::vector<std::uint8_t> added(vjp.n_in, 1);
    inner.accumulate = added.data();
    ask([&](hn_error* e) { return inner_.fn->backward(fn_, saved.bad.saved, &inner, e); });
  }

 private:
  void read_slots() {
    hn_fn_info info{};
    info.struct_size = sizeof info;
    ask([&](hn_error* e) { return inner_.fn->info(fn_, &info, e); });
    flags_ = info.flags;
    if ((flags_ & HN_FN_NEEDS_COND) == 0)
      throw Error(HN_UNSUPPORTED, "[relative] expected a reward that reads prompts");
    n_out_ = info.n_out;
    for (std::uint64_t i = 0; i < info.n_in; ++i) inputs_.push_back(slot(HN_SLOT_INPUT, i));
    for (std::uint64_t o = 0; o < info.n_out; ++o) {
      SlotSpec spec = slot(HN_SLOT_OUTPUT, o);
      if (spec.semantic == "score") {
        score_ = o;
        outputs_.push_back(std::move(spec));
      } else if ((spec.flags & HN_SLOT_OPTIONAL) == 0) {
        throw Error(HN_UNSUPPORTED, "[relative] the output " + spec.name + " cannot be left out");
      }
    }
    if (outputs_.size() != 1) throw Error(HN_UNSUPPORTED, "[relative] expected one score");
  }

  SlotSpec slot(std::int32_t direction, std::uint64_t index) const {
    hn_slot raw{};
    raw.struct_size = sizeof raw;
    ask([&](hn_error* e) { return inner_.fn->slot(fn_, direction, index, &raw, e); });
    return {std::string(view(raw.name)),
            std::string(view(raw.semantic)),
            {raw.shape, raw.shape + raw.ndim},
            raw.flags,
            raw.dtype,
            raw.grad_dtype};
  }

  void run(const Call& call, Form& form, const DLTensor* out, hn_cond* const RelativeCond::*which) {
    for (std::uint64_t c = 0; c < call.raw().n_cond; ++c)
      form.cond.push_back(call.cond<RelativeCond>(static_cast<std::int64_t>(c)).*which);
    form.out.assign(n_out_, nullptr);
    form.out[score_] = out;
    hn_call inner = call.raw();
    inner.cond = form.cond.data();
    inner.out = form.out.data();
    inner.n_out = n_out_;
    ask([&](hn_error* e) { return inner_.fn->forward(fn_, &inner, &form.saved, e); });
  }

  Inner& inner_;
  hn_fn* fn_ = nullptr;
  std::uint64_t n_out_ = 0, score_ = 0;
};

class RelativeInstance final : public Instance {
 public:
  RelativeInstance(const Host& host, const Config& config)
      : Instance(host), prompts_(entry_of(config).prompts), inner_(entry_of(config), host, config) {
    if (inner_.fn == nullptr || inner_.cond == nullptr)
      throw Error(HN_UNSUPPORTED, "[relative] expected a reward that reads prompts");
  }

  std::unique_ptr<Function> open(std::string_view name, const Config& config) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<RelativeScore>(inner_, name, config);
  }

  bool has_cond() const override { return true; }
  std::uint32_t prompt_fields() const override { return inner_.cond->prompt_fields(inner_.raw); }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts,
                                            hn_stream stream) override {
    std::vector<std::string> texts;
    texts.reserve(2 * prompts.size());
    RawPrompts raw;
    for (const Prompt& prompt : prompts)
      for (const std::string* form : {&prompts_.good, &prompts_.bad}) {
        texts.push_back(filled(*form, prompt.text()));
        hn_prompt each{};
        each.text = str(texts.back());
        each.negative = str(prompt.negative());
        each.json = str(prompt.json());
        each.tensors = prompt.tensors().data();
        each.n_tensors = prompt.tensors().size();
        raw.add(each);
      }
    std::vector<hn_cond*> handles(texts.size(), nullptr);
    ask([&](hn_error* e) {
      return inner_.cond->encode(inner_.raw, raw.data(), raw.size(), stream, handles.data(), e);
    });
    std::vector<std::unique_ptr<Cond>> made;
    for (std::size_t i = 0; i < prompts.size(); ++i)
      made.push_back(std::make_unique<RelativeCond>(inner_, handles[2 * i], handles[2 * i + 1]));
    return made;
  }

  std::vector<MemoryUse> memory_use() const override {
    std::vector<MemoryUse> all;
    if (inner_.memory == nullptr) return all;
    for (const hn_memory_use& use : memory_uses(*inner_.memory, inner_.raw))
      all.push_back({{static_cast<DLDeviceType>(use.device_type), use.device_id}, use.bytes});
    return all;
  }
  void trim(hn_stream stream) override {
    if (inner_.memory != nullptr) inner_.memory->trim(inner_.raw, stream);
  }

 private:
  RelativePrompts prompts_;
  Inner inner_;
};

}  // namespace
}  // namespace hn

namespace hn::core {

Plugin relative_plugin(const Plugin& inner, const RelativePrompts& prompts) {
  if (inner.entry == nullptr)
    throw Error(HN_INVALID_ARGUMENT, "[relative] the plugin was not loaded (no entry)");
  for (const std::string* form : {&prompts.good, &prompts.bad})
    if (!has_one_place(*form))
      throw Error(HN_INVALID_ARGUMENT, "[relative] expected one {} in a form, got '" + *form + "'");
  const std::lock_guard lock(entries_mutex());
  std::int64_t index = 0;
  const Entry* found = nullptr;
  for (const Entry& each : entries()) {
    if (each.inner == inner.entry && each.prompts == prompts) {
      found = &each;
      break;
    }
    ++index;
  }
  if (found == nullptr) {
    Entry& made = entries().emplace_back(
        Entry{inner.entry, prompts, inner.id, std::string(view(inner.entry->version)), {}});
    made.raw = host_plugin<RelativeInstance>(str(made.id), str(made.version));
    found = &made;
  }
  Plugin plugin = inner;
  plugin.entry = &found->raw;
  plugin.options[kEntryOption] = index;
  return plugin;
}

}  // namespace hn::core
