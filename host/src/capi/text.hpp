// hnhost_text: a text that the library made and the caller frees.
#pragma once

#include <hnhost/hnhost.h>

#include <nlohmann/json_fwd.hpp>
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

// JSON as text. File names need not be UTF-8; JSON must be.
template <class Json>
std::string dumped(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hn::host
