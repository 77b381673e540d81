// The calling side: what every host of a plugin writes, tests included.
#pragma once

#include <hn/cond.h>
#include <hn/memory.h>

#include <cstdint>
#include <hn/cpp/error.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// Prompts as hn_cond_v1.encode takes them; what they point to is borrowed. Not copied, not moved.
class RawPrompts {
 public:
  RawPrompts() = default;
  template <class Texts>
  explicit RawPrompts(const Texts& texts) {
    for (const auto& text : texts) add(text);
  }
  explicit RawPrompts(std::vector<std::string>&&) = delete;  // they would be gone
  RawPrompts(const RawPrompts&) = delete;
  RawPrompts& operator=(const RawPrompts&) = delete;

  void add(std::string_view text) {
    hn_prompt prompt{};
    prompt.text = str(text);
    add(prompt);
  }
  void add(hn_prompt prompt) {
    prompt.struct_size = sizeof(hn_prompt);
    prompts_.push_back(prompt);
  }
  const hn_prompt* const* data() {
    pointers_.clear();
    for (const hn_prompt& prompt : prompts_) pointers_.push_back(&prompt);
    return pointers_.data();
  }
  std::uint64_t size() const { return prompts_.size(); }

 private:
  std::vector<hn_prompt> prompts_;
  std::vector<const hn_prompt*> pointers_;
};

// What an instance holds, one entry a device; a plugin that never ends is not followed.
inline std::vector<hn_memory_use> memory_uses(const hn_memory_v1& memory, hn_instance* instance) {
  std::vector<hn_memory_use> uses;
  while (uses.size() < 64) {
    hn_memory_use use{};
    use.struct_size = sizeof use;
    if (memory.use(instance, uses.size(), &use, nullptr) != HN_OK) break;
    uses.push_back(use);
  }
  return uses;
}

// On all devices together; 0 where it does not say.
inline std::uint64_t used_bytes(const hn_memory_v1& memory, hn_instance* instance) {
  std::uint64_t bytes = 0;
  for (const hn_memory_use& use : memory_uses(memory, instance)) bytes += use.bytes;
  return bytes;
}

}  // namespace hn
