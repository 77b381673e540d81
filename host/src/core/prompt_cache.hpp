// Prompts as plugin handles (hn.cond/1), each encoded once and kept while the byte budget lasts.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/instance.hpp"

namespace hn::core {

class PromptCache {
  struct Entry {
    Instance* instance = nullptr;
    std::string key;
    hn_cond* handle = nullptr;
    std::uint64_t bytes = 0;
    std::uint32_t pins = 0;
  };

 public:
  // The handles of one request, in its order; they are not released while this lives.
  class Pins {
   public:
    Pins() = default;
    Pins(Pins&& other) noexcept { swap(other); }
    Pins& operator=(Pins&& other) noexcept {
      Pins moved(std::move(other));
      swap(moved);
      return *this;
    }
    ~Pins();

    std::span<const hn_cond* const> handles() const { return handles_; }

   private:
    friend class PromptCache;
    void add(Entry& entry) {
      entries_.push_back(&entry);
      ++entry.pins;
    }
    void swap(Pins& other) noexcept {
      std::swap(cache_, other.cache_);
      handles_.swap(other.handles_);
      entries_.swap(other.entries_);
    }
    PromptCache* cache_ = nullptr;
    std::vector<const hn_cond*> handles_;
    std::vector<Entry*> entries_;
  };

  // budget_bytes: of handles as their plugins measure them. Least recently used ones go first;
  // those in use stay even above it. encode_batch: prompts in one call of the plugin. 1 makes a
  // handle independent of the prompts that happened to be encoded with it, to the last bit, which
  // an exact resume needs: it starts with an empty cache.
  PromptCache(std::uint64_t budget_bytes, std::size_t encode_batch)
      : budget_(budget_bytes), encode_batch_(encode_batch) {}
  ~PromptCache();  // before the instances
  PromptCache(const PromptCache&) = delete;
  PromptCache& operator=(const PromptCache&) = delete;

  // One handle a prompt. Empty for an instance that reads no prompts. Errors: those of the plugin's
  // encode; one that was refused (concerns_one_sample) is named.
  Pins get(Instance& instance, std::span<const Prompt> prompts);

  // Why the plugin refuses those of the prompts that it refuses, by their index; the others are
  // encoded by then. Errors that concern no single prompt are thrown.
  std::map<std::size_t, std::string> refusals(Instance& instance, std::span<const Prompt> prompts);

  // Releases every handle that is not in use.
  void clear();

  std::uint64_t bytes() const { return bytes_; }
  std::size_t size() const { return order_.size(); }

 private:
  using Order = std::list<Entry>;  // most recently used first; entries do not move in memory
  using Index = std::unordered_map<std::string_view, Order::iterator>;  // keys live in the entries

  struct Missing {
    const Prompt* prompt;
    std::string key;
  };
  void encode_batch(Instance& instance, std::span<const Missing> prompts, Pins& pins);
  void encode(Instance& instance, std::span<const Missing> prompts, Pins& pins);
  void evict_down_to(std::uint64_t bytes);
  Order::iterator drop(Order::iterator entry);

  std::uint64_t budget_;
  std::size_t encode_batch_;
  std::uint64_t bytes_ = 0;
  Order order_;
  std::map<Instance*, Index> index_;
};

}  // namespace hn::core
