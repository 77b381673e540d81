// The shapes that the functions of the C API share.
#pragma once

#include "capi/text.hpp"
#include "host/arguments.hpp"
#include "host/hooks.hpp"

namespace hn::host {

// Exceptions inside, a code outside. An hn_error that cannot hold the first version is refused; it
// has no place for a text.
template <class Body>
hn_status entry(hn_error* error, Body&& body) noexcept {
  if (error != nullptr && error->struct_size < Argument<hn_error>::kFirstSize)
    return HN_INVALID_ARGUMENT;
  return guard(error, std::forward<Body>(body));
}

// With an out that body fills; NULL after every failure.
template <class T, class Body>
hn_status giving(const char* function, T** out, hn_error* error, Body&& body) noexcept {
  if (out != nullptr) *out = nullptr;
  return entry(error, [&] {
    need(out, function, "out");
    body();
  });
}

// A text that body(host) makes.
template <class Body>
hn_status answering(const char* function, hnhost* host, hnhost_text** out, hn_error* error,
                    Body&& body) noexcept {
  return giving(function, out, error,
                [&] { give_text(body(need(host, function, "host")->host), out); });
}

// The same for a request in TOML and hooks; body(host, request).
template <class Body>
hn_status answering(const char* function, hnhost* host, hn_str request, const hnhost_hooks* hooks,
                    hnhost_text** out, hn_error* error, Body&& body) noexcept {
  return answering(function, host, out, error, [&](Host& open) {
    (void)known_hooks(function, hooks);  // before any work
    return body(open, text_of(request, function, "request"));
  });
}

}  // namespace hn::host
