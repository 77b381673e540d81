#include "core/prompt_cache.hpp"

#include <algorithm>
#include <deque>
#include <hn/cpp/client.hpp>
#include <hn/cpp/tensor.hpp>
#include <unordered_set>

namespace hn::core {
namespace {

void release(Instance& instance, hn_cond* handle) {
  if (!instance.alive()) return;
  instance.call_quietly("release", [&] {
    instance.cond()->release(instance.raw(), handle, instance.runtime().stream);
  });
}

// Prompts as hn_cond_v1.encode takes them, with the fields that the plugin reads; borrows them.
class PromptViews {
 public:
  void add(const Prompt& prompt, std::uint32_t fields) {
    hn_prompt raw{};
    raw.text = str(prompt.text);
    if ((fields & HN_PROMPT_NEGATIVE) != 0) raw.negative = str(prompt.negative);
    if ((fields & HN_PROMPT_JSON) != 0) raw.json = str(prompt.json);
    if ((fields & HN_PROMPT_TENSORS) != 0 && prompt.has_tensors()) add_tensors(prompt, raw);
    prompts_.add(raw);
  }
  const hn_prompt* const* data() { return prompts_.data(); }
  std::uint64_t size() const { return prompts_.size(); }

 private:
  void add_tensors(const Prompt& prompt, hn_prompt& raw) {
    std::vector<hn_named_tensor>& named = named_.emplace_back();
    for (const PromptTensor& t : *prompt.tensors) {
      std::vector<std::int64_t>& strides = strides_.emplace_back(t.tensor.shape.size());
      std::int64_t step = 1;
      for (std::size_t d = strides.size(); d-- > 0;) {
        strides[d] = step;
        step *= t.tensor.shape[d];
      }
      DLTensor& view = tensors_.emplace_back();
      view.data = const_cast<float*>(t.tensor.data.data());
      view.device = {kDLCPU, 0};
      view.ndim = static_cast<std::int32_t>(t.tensor.shape.size());
      view.dtype = kFloat32;
      view.shape = const_cast<std::int64_t*>(t.tensor.shape.data());
      view.strides = strides.data();
      named.push_back({str(t.name), &view});
    }
    raw.tensors = named.data();
    raw.n_tensors = named.size();
  }

  RawPrompts prompts_;
  std::deque<std::vector<hn_named_tensor>> named_;  // deques: what they hold does not move
  std::deque<std::vector<std::int64_t>> strides_;
  std::deque<DLTensor> tensors_;
};

}  // namespace

PromptCache::Pins::~Pins() {
  for (Entry* entry : entries_) --entry->pins;
  if (cache_ != nullptr) cache_->evict_down_to(cache_->budget_);
}

PromptCache::~PromptCache() {
  for (auto it = order_.begin(); it != order_.end();) it = drop(it);
}

PromptCache::Pins PromptCache::get(Instance& instance, std::span<const Prompt> prompts) {
  Pins pins;
  if (instance.cond() == nullptr) return pins;
  pins.cache_ = this;
  Index& index = index_[&instance];

  // What is there is pinned before anything is encoded: running out of memory then clears the rest.
  std::vector<std::string> keys;
  for (const Prompt& prompt : prompts) keys.push_back(key_of(prompt, instance.prompt_fields()));
  std::vector<Missing> missing;
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (!seen.insert(keys[i]).second) continue;
    const auto found = index.find(keys[i]);
    if (found == index.end()) {
      missing.push_back({&prompts[i], keys[i]});
    } else {
      order_.splice(order_.begin(), order_, found->second);
      pins.add(*found->second);
    }
  }
  for (std::size_t i = 0; i < missing.size(); i += encode_batch_)
    encode_batch(instance,
                 std::span(missing).subspan(i, std::min(encode_batch_, missing.size() - i)), pins);

  pins.handles_.reserve(prompts.size());
  for (const std::string& key : keys) pins.handles_.push_back(index.at(key)->handle);
  evict_down_to(budget_);
  return pins;
}

void PromptCache::encode_batch(Instance& instance, std::span<const Missing> prompts, Pins& pins) {
  try {
    encode(instance, prompts, pins);
  } catch (const Error& e) {
    if (prompts.size() == 1 || !concerns_one_sample(e.code())) throw;
    // One by one, so that the error names the prompt that was refused.
    for (const Missing& each : prompts) encode(instance, {&each, 1}, pins);
  }
}

std::map<std::size_t, std::string> PromptCache::refusals(Instance& instance,
                                                         std::span<const Prompt> prompts) {
  std::map<std::size_t, std::string> reasons;
  try {
    (void)get(instance, prompts);
    return reasons;
  } catch (const Error& e) {
    if (!concerns_one_sample(e.code())) throw;
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    try {
      (void)get(instance, prompts.subspan(i, 1));
    } catch (const Error& e) {
      if (!concerns_one_sample(e.code())) throw;
      reasons.emplace(i, e.what());
    }
  }
  return reasons;
}

void PromptCache::encode(Instance& instance, std::span<const Missing> prompts, Pins& pins) {
  PromptViews views;
  for (const Missing& each : prompts) views.add(*each.prompt, instance.prompt_fields());
  std::vector<hn_cond*> handles(prompts.size(), nullptr);
  const std::string what =
      prompts.size() == 1 ? "prompt '" + prompts[0].prompt->text.substr(0, 200) + "'" : "prompts";
  try {
    instance.call(Instance::Kind::kFirst, what.c_str(), [&](hn_error* error) {
      return instance.cond()->encode(instance.raw(), views.data(), views.size(),
                                     instance.runtime().stream, handles.data(), error);
    });
  } catch (...) {
    // A plugin that succeeded and is refused all the same has made some.
    for (hn_cond* handle : handles)
      if (handle != nullptr) release(instance, handle);
    throw;
  }
  Index& index = index_[&instance];
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Entry entry{&instance, prompts[i].key, handles[i], 0, 0};
    instance.call_quietly("size_bytes", [&] {
      entry.bytes = instance.cond()->size_bytes(instance.raw(), handles[i]);
    });
    entry.bytes += entry.key.size() + sizeof(Entry);
    bytes_ += entry.bytes;
    order_.push_front(std::move(entry));
    index.emplace(order_.front().key, order_.begin());
    pins.add(order_.front());
  }
}

PromptCache::Order::iterator PromptCache::drop(Order::iterator entry) {
  Instance& instance = *entry->instance;
  release(instance, entry->handle);
  bytes_ -= entry->bytes;
  index_[&instance].erase(entry->key);
  return order_.erase(entry);
}

void PromptCache::evict_down_to(std::uint64_t bytes) {
  for (auto it = order_.end(); bytes_ > bytes && it != order_.begin();) {
    --it;
    if (it->pins == 0) it = drop(it);
  }
}

void PromptCache::clear() { evict_down_to(0); }

}  // namespace hn::core
