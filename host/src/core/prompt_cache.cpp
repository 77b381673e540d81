#include "core/prompt_cache.hpp"

#include <algorithm>
#include <unordered_set>

namespace hn::core {
namespace {

void release(Instance& instance, hn_cond* handle) {
  if (!instance.alive()) return;
  instance.call_quietly("release", [&] { instance.cond()->release(instance.raw(), handle); });
}

}  // namespace

PromptCache::Pins::~Pins() {
  for (Entry* entry : entries_) --entry->pins;
  if (cache_ != nullptr) cache_->evict_down_to(cache_->budget_);
}

PromptCache::~PromptCache() {
  for (auto it = order_.begin(); it != order_.end();) it = drop(it);
}

PromptCache::Pins PromptCache::get(Instance& instance, std::span<const std::string> prompts) {
  Pins pins;
  if (instance.cond() == nullptr) return pins;
  pins.cache_ = this;
  Index& index = index_[&instance];

  // What is there is pinned before anything is encoded: running out of memory then clears the rest.
  std::vector<std::string_view> missing;
  std::unordered_set<std::string_view> seen;
  for (const std::string& prompt : prompts) {
    if (!seen.insert(prompt).second) continue;
    const auto found = index.find(prompt);
    if (found == index.end()) {
      missing.push_back(prompt);
    } else {
      order_.splice(order_.begin(), order_, found->second);
      pins.add(*found->second);
    }
  }
  for (std::size_t i = 0; i < missing.size(); i += encode_batch_)
    encode_batch(instance,
                 std::span(missing).subspan(i, std::min(encode_batch_, missing.size() - i)), pins);

  pins.handles_.reserve(prompts.size());
  for (const std::string& prompt : prompts) pins.handles_.push_back(index.at(prompt)->handle);
  evict_down_to(budget_);
  return pins;
}

void PromptCache::encode_batch(Instance& instance, std::span<const std::string_view> prompts,
                               Pins& pins) {
  try {
    encode(instance, prompts, pins);
  } catch (const Error& e) {
    if (prompts.size() == 1 || !concerns_one_sample(e.code())) throw;
    // One by one, so that the error names the prompt that was refused.
    for (const std::string_view& each : prompts) encode(instance, {&each, 1}, pins);
  }
}

std::map<std::size_t, std::string> PromptCache::refusals(Instance& instance,
                                                         std::span<const std::string> prompts) {
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

void PromptCache::encode(Instance& instance, std::span<const std::string_view> prompts,
                         Pins& pins) {
  std::vector<hn_str> texts(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) texts[i] = str(prompts[i]);
  std::vector<hn_cond*> handles(prompts.size(), nullptr);
  const std::string what =
      prompts.size() == 1 ? "prompt '" + std::string(prompts[0].substr(0, 200)) + "'" : "prompts";
  try {
    instance.call(Instance::Kind::kFirst, what.c_str(), [&](hn_error* error) {
      return instance.cond()->encode(instance.raw(), texts.data(), texts.size(),
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
    Entry entry{&instance, std::string(prompts[i]), handles[i], 0, 0};
    instance.call_quietly("size_bytes", [&] {
      entry.bytes = instance.cond()->size_bytes(instance.raw(), handles[i]);
    });
    entry.bytes += entry.prompt.size() + sizeof(Entry);
    bytes_ += entry.bytes;
    order_.push_front(std::move(entry));
    index.emplace(order_.front().prompt, order_.begin());
    pins.add(order_.front());
  }
}

PromptCache::Order::iterator PromptCache::drop(Order::iterator entry) {
  Instance& instance = *entry->instance;
  release(instance, entry->handle);
  bytes_ -= entry->bytes;
  index_[&instance].erase(entry->prompt);
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
