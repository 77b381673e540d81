#include "core/prompt.hpp"

#include <hn/cond.h>

#include <hn/cpp/error.hpp>
#include <string_view>

namespace hn::core {

static_assert(kAllPromptFields == (HN_PROMPT_NEGATIVE | HN_PROMPT_JSON | HN_PROMPT_TENSORS));

std::string key_of(const Prompt& prompt, std::uint32_t fields) {
  std::string key = prompt.text;
  // A zero byte ends the text, a letter says which field follows, a length where it ends.
  const auto add = [&](char field, std::string_view bytes) {
    key += '\0';
    key += field;
    key += std::to_string(bytes.size());
    key += ':';
    key += bytes;
  };
  if ((fields & HN_PROMPT_NEGATIVE) != 0 && !prompt.negative.empty()) add('n', prompt.negative);
  if ((fields & HN_PROMPT_JSON) != 0 && !prompt.json.empty()) add('j', prompt.json);
  if ((fields & HN_PROMPT_TENSORS) != 0 && prompt.has_tensors()) {
    for (const PromptTensor& t : *prompt.tensors) {
      add('t', t.name);
      const auto bytes_of = [](const auto& numbers) {
        return std::string_view(reinterpret_cast<const char*>(numbers.data()),
                                numbers.size() * sizeof(numbers[0]));
      };
      add('s', bytes_of(t.tensor.shape));
      add('d', bytes_of(t.tensor.data));
    }
  }
  return key;
}

void require_read(std::span<const Prompt> prompts, std::uint32_t fields) {
  for (const Prompt& prompt : prompts) {
    const auto refuse = [&](const std::string& field) {
      throw Error(HN_UNSUPPORTED, "[prompts] prompt '" + prompt.text.substr(0, 200) + "' has " +
                                      field + ", which no plugin of this session reads");
    };
    if (!prompt.negative.empty() && (fields & HN_PROMPT_NEGATIVE) == 0) refuse("a negative prompt");
    if (prompt.has_tensors() && (fields & HN_PROMPT_TENSORS) == 0)
      refuse("the tensor '" + prompt.tensors->front().name + "'");
  }
}

}  // namespace hn::core
