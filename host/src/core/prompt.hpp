// A prompt as it comes from files and callers, and as plugins get it (hn_prompt).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hn::core {

// Host memory, contiguous float32.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> data;
  bool operator==(const Tensor&) const = default;
};

struct PromptTensor {
  std::string name;  // "image" [3,H,W] in [0,1], "mask" [1,H,W]; others are reverse-domain
  Tensor tensor;
  bool operator==(const PromptTensor&) const = default;
};

struct Prompt {
  Prompt() = default;
  Prompt(std::string text) : text(std::move(text)) {}  // NOLINT: most prompts are texts alone
  Prompt(const char* text) : text(text) {}             // NOLINT

  std::string text;
  std::string negative;
  std::string json;  // an object: facts about the prompt ("metadata" in files)
  std::shared_ptr<const std::vector<PromptTensor>> tensors;  // shared by copies; NULL = none

  bool has_tensors() const { return tensors != nullptr && !tensors->empty(); }
  bool operator==(const Prompt& other) const {
    const bool same = tensors == other.tensors || (has_tensors() == other.has_tensors() &&
                                                   (!has_tensors() || *tensors == *other.tensors));
    return text == other.text && negative == other.negative && json == other.json && same;
  }
};

// Equal for prompts that a plugin cannot tell apart when it reads `fields` (HN_PROMPT_*) beside the
// text: the text itself where it is alone. No prompt has zero bytes in its texts.
std::string key_of(const Prompt& prompt, std::uint32_t fields);
inline constexpr std::uint32_t kAllPromptFields = 7;

// A negative prompt or a tensor that no plugin reads would change nothing, in silence:
// HN_UNSUPPORTED names it. fields: HN_PROMPT_* of all plugins of the session together.
void require_read(std::span<const Prompt> prompts, std::uint32_t fields);

inline std::vector<std::string> texts_of(const std::vector<Prompt>& prompts) {
  std::vector<std::string> texts;
  for (const Prompt& prompt : prompts) texts.push_back(prompt.text);
  return texts;
}

}  // namespace hn::core
