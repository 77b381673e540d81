// hnhost_text: a text that the library made and the caller frees.
#pragma once

#include <hnhost/hnhost.h>

#include <string>
#include <utility>

struct hnhost_text {
  std::string text;
};

namespace hn::host {

// Hands a text to the caller of the C API.
inline void give_text(std::string text, hnhost_text** out) {
  *out = new hnhost_text{std::move(text)};
}

}  // namespace hn::host
