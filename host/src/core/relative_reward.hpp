// A reward for the difference that two forms of a prompt make: score(good form) - score(bad form).
//
// A text-image score has biases of its own (for saturation, contrast, a style) that answer every
// prompt alike; the difference takes them away and leaves what the words are for (SRPO, Shen et
// al., arXiv 2509.06942, section 3.2: r = f(image) . (C1 - C2)).
#pragma once

#include "core/session.hpp"

namespace hn::core {

// Whether the form says where the prompt goes: one {} in it.
inline bool has_one_place(const std::string& form) {
  const std::size_t at = form.find("{}");
  return at != std::string::npos && form.find("{}", at + 2) == std::string::npos;
}

// As HN_PLUGIN makes one: a plugin over `inner`, which stays what create, memory and prompts go to.
// Its "score" is one output, without the inner reward's columns. Valid for the life of the process.
// Opening it is HN_UNSUPPORTED where the inner reward reads no prompts, or wants further outputs;
// HN_INVALID_ARGUMENT names a form without one place.
Plugin relative_plugin(const Plugin& inner, const RelativePrompts& prompts);

}  // namespace hn::core
